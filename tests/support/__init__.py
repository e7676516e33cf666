"""What tests share: a real PostgreSQL, the whole system on a fake clock, and a browser."""
