"""What the audit decides: what a ledger line holds, and what the events of a case say about its times. Pure, no I/O."""
