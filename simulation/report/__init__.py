"""Reports of a run for people and for pipelines: tables in the terminal, an HTML page, JSON and JUnit XML.

A run calls `prepare_folder` before it starts anything, then `write_report`, then `print_verdict` on a console from
`open_console`, and exits with `RunResult.exit_code`.
"""

from simulation.report.terminal import open_console, print_verdict
from simulation.report.write import ReportError, prepare_folder, write_report

__all__ = ["ReportError", "open_console", "prepare_folder", "print_verdict", "write_report"]
