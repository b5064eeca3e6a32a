"""PostgreSQL: the pool, read snapshots, migrations."""
