"""Goldens on PostgreSQL, in plain SQL and with its own `pg_dump`."""
