"""`simulation` and `python -m simulation`: the command, or one sentence where its packages are not installed."""

import sys

COULD_NOT_RUN = 2


def main() -> None:
    """Run the command line. Exits with 2 where a package of the extra `simulation` is missing."""
    try:
        from simulation.cli.main import main as run  # noqa: PLC0415 - a missing package is to be a sentence, no traceback
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] in {"simulation", "fixtures", "contracts"}:
            raise
        sys.stderr.write(
            f"simulation: the package {missing.name} is not installed; "
            "pip install 'event-driven-bank[simulation]' brings it.\n"
        )
        sys.exit(COULD_NOT_RUN)
    run()


if __name__ == "__main__":
    main()
