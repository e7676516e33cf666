"""Messages out: every notification is delivered, or fails in a way that has already told the next person (promise 5)."""
