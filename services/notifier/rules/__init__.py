"""The notifier's decisions, pure: what a text says, what a reply means, what an observation does to an attempt."""
