from tests.support.postgres import database, database_url, postgres_url, template

__all__ = ["database", "database_url", "postgres_url", "template"]
