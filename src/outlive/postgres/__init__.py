"""PostgreSQL: a table and a queue on one database, for several hosts without AWS (extra `postgres`)."""
