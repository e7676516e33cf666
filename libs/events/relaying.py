"""The name under which the relay reads the log: one more consumer group (DESIGN section 4)."""

RELAY = "relay"
