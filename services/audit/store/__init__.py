"""Every query of the audit: the ledger, the times of cases derived from it, and what is asked of them."""
