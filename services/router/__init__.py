"""The router: every report becomes a case with exactly one owner; silence and missed deadlines climb the ladder."""
