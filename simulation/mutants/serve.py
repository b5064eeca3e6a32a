"""The bank's command line with one planted bug: `python -m simulation.mutants.serve NAME serve …`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import asyncpg

from simulation.mutants import load


async def _drop_guards(statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def main(arguments: Sequence[str]) -> None:
    """Plant the bug, then run the bank's command line."""
    name, *rest = arguments
    mutant = load(name)
    asyncio.run(_drop_guards(mutant.drop_guards))
    mutant.plant()
    sys.argv = ["bank", *rest]
    import_module("bank.cli.main").main()


if __name__ == "__main__":
    main(sys.argv[1:])
