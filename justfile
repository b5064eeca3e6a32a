# The commands of a contributor. `just` lists them; each is one line that also works without just.

# List the commands.
default:
    @just --list

# Create the environment.
setup:
    python3 -m venv .venv
    .venv/bin/pip install -c constraints.txt -e '.[tests,tools,docs]'

# Run all tests on two processes.
test *arguments:
    .venv/bin/pytest -n 2 --dist worksteal {{arguments}}

# Run the tests that need no server.
unit *arguments:
    .venv/bin/pytest -n 2 tests/unit {{arguments}}

# Check style, types and imports.
lint:
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    .venv/bin/mypy
    PYTHONPATH=. .venv/bin/lint-imports --no-cache

# Format the code.
format:
    .venv/bin/ruff check --fix
    .venv/bin/ruff format

# Run the simulation.
simulate *arguments:
    .venv/bin/simulation run {{arguments}}

# Run the simulation with every fault.
faults *arguments:
    .venv/bin/simulation run --faults all --workers 2 --people 20 --rate 60 {{arguments}}

# Serve the bank on its own servers.
serve *arguments:
    .venv/bin/bank serve {{arguments}}

# Build the documentation as a site, in site/.
docs:
    .venv/bin/mkdocs build --strict

# Draw the diagrams of the documentation again (needs Mermaid's `mmdc`).
diagrams:
    docs/diagrams/render.sh

# Measure.
benchmarks *arguments:
    .venv/bin/pytest benchmarks --benchmark-only -s {{arguments}}

# Run what continuous integration runs.
ci:
    .ci/run
