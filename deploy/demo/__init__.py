"""Demonstrations: real places, invented people, numbers that nobody can own."""
