"""PostgreSQL: connections, the pool, read snapshots, statements, migrations, and the meaning of errors."""
