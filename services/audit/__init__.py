"""Audit: the append-only ledger of every event, and how fast everybody moved."""
