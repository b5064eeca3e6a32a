"""`bank migrate`: migration of the database."""

import click

from bank.cli.environment import required_database_url
from bank.database.migrate import expected_level, upgrade


@click.command()
@click.option("--database-url", envvar="DATABASE_URL", help="The database to migrate; DATABASE_URL by default.")
def migrate(database_url: str | None) -> None:
    """Migrate the database to the schema of this version. Safe to repeat."""
    upgrade(required_database_url(database_url))
    click.echo(f"The database is at migration {expected_level()}.")
