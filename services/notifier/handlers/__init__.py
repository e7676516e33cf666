"""The notifier's use cases: taking requests, sending and following up, and hearing replies."""
