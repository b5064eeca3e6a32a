"""`python -m bank`: the bank's command line."""

from bank.cli.main import main

main()
