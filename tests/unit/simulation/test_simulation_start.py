"""The command `simulation` without its optional packages."""

import subprocess
import sys


def test_a_missing_package_is_one_sentence_that_names_the_extra() -> None:
    script = (
        "import sys; sys.modules['faker'] = None; sys.argv = ['simulation', 'list'];"
        " from simulation.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "simulation: the package faker is not installed; pip install 'event-driven-bank[simulation]' brings it.\n"
    )
