"""Tells once a second how late this process was woken, in milliseconds: the median, the 99th percentile, the longest.

It sleeps and does nothing else, so that it is late only where the machine has no processor for it. Runs as a script of
its own, at the priority of everybody else, until nobody reads what it says.
"""

import contextlib
import sys
import time

SLEEP_S = 0.005
"""Half of the tightest bound of the success criteria; two hundred wake-ups a second cost a few tenths of a per cent."""


def watch(second_s: float = 1.0) -> list[float]:
    """Return how late each wake-up of a second was, in milliseconds, ascending."""
    late_ms: list[float] = []
    end = time.monotonic() + second_s
    while (now := time.monotonic()) < end:
        time.sleep(SLEEP_S)
        late_ms.append(max(0.0, (time.monotonic() - now - SLEEP_S) * 1000))
    return sorted(late_ms)


def main() -> None:
    """Write a line for each second: the middle, the 99th percentile and the last of what `watch` returns."""
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        while True:
            late_ms = watch()
            shown = (late_ms[len(late_ms) // 2], late_ms[int(len(late_ms) * 0.99)], late_ms[-1])
            sys.stdout.write(" ".join(f"{value:.3f}" for value in shown) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
