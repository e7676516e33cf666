"""The whole system as processes on a cluster, to be broken: services twice, three Kafka nodes, PostgreSQL, and links between them."""
