"""The directory: divisions, posts, officers and duty, accounts and API clients."""
