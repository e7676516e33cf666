"""Every query of the directory service, by what it is about; those that all services share stand in `libs.directory.sql`."""
