"""`bank migrate`."""

import click

from bank.database.migrate import expected_level, upgrade
from bank.settings import SettingsError


@click.command()
@click.option("--database-url", envvar="DATABASE_URL", help="The database to migrate; DATABASE_URL by default.")
def migrate(database_url: str | None) -> None:
    """Bring the database to the schema that this version needs. Safe to repeat."""
    if not database_url:
        raise SettingsError("DATABASE_URL is not set.")
    upgrade(database_url)
    click.echo(f"The database is at migration {expected_level()}.")
