"""The command `simulation`, also `python -m simulation`, with one sentence as the error if its packages are missing."""

import sys

COULD_NOT_RUN = 2


def main() -> None:
    """Run the command line. Exits with 2 if a package of the extra `simulation` is missing."""
    try:
        from simulation.cli.main import main as run  # noqa: PLC0415 - a missing package gives a sentence, no traceback
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
