"""A process that measures how late it is woken, and prints it once a second in milliseconds.

A line has the median, the 99th percentile and the maximum. The process only sleeps, so it is late only if the machine
has no processor for it. It runs as a separate script, with the same priority as all others, until its reader is gone.
"""

import contextlib
import sys
import time

SLEEP_S = 0.005
"""Half of the tightest bound of the success criteria. Two hundred wake-ups a second use some tenths of a per cent of a
processor."""


def watch(second_s: float = 1.0) -> list[float]:
    """Return the delay of each wake-up in one second, in milliseconds, ascending."""
    late_ms: list[float] = []
    end = time.monotonic() + second_s
    while (now := time.monotonic()) < end:
        time.sleep(SLEEP_S)
        late_ms.append(max(0.0, (time.monotonic() - now - SLEEP_S) * 1000))
    return sorted(late_ms)


def main() -> None:
    """Write a line for each second: the median, the 99th percentile and the maximum of the delays."""
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        while True:
            late_ms = watch()
            shown = (late_ms[len(late_ms) // 2], late_ms[int(len(late_ms) * 0.99)], late_ms[-1])
            sys.stdout.write(" ".join(f"{value:.3f}" for value in shown) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
