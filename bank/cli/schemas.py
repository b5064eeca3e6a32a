"""`bank events schemas`: the files of event schemas."""

import sys
from pathlib import Path

import click

from bank.errors import BadInput
from bank.events.schema_files import compare_schemas, write_schemas


@click.command()
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default="contracts/events",
    show_default=True,
    help="The folder of the files.",
)
@click.option("--check", is_flag=True, help="Write nothing, and name each difference.")
def schemas(*, folder: Path, check: bool) -> None:
    """Write the JSON Schema of the newest version of each event type, as Type.vN.json.

    With --check, exit code 1: a file is missing or differs from its event type, or has changed since its copy in the
    subfolder `released`. 0: there is no difference.
    """
    try:
        found = compare_schemas(folder) if check else write_schemas(folder)
    except OSError as error:
        raise BadInput(f"{error.filename} cannot be used: {error.strerror}.") from error
    for line in found:
        click.echo(line if check else f"Written: {line}")
    if not found:
        click.echo("There is no difference." if check else "Every file is up to date.")
    sys.exit(1 if check and found else 0)
