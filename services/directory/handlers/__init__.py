"""The use cases of the directory. Each change bumps the version, is recorded with who made it, and is told to all (`changes.changed`)."""
