"""The builder of a check's result, with the number of violations, and the first, the worst and the last of them."""

from simulation.model.result import CheckResult, Verdict


class CheckResultBuilder:
    """A collector of the findings of one check.

    The verdict is UNKNOWN, and never PASS, if nothing was examined or anything stays undecided.
    """

    def __init__(self, name: str, title: str) -> None:
        self._name = name
        self._title = title
        self.examined = 0
        self._count = 0
        self._first = ""
        self._last = ""
        self._worst = ("", float("-inf"))
        self._open: list[str] = []
        self._notes: list[str] = []

    def examine(self, things: int = 1) -> None:
        """Count examined things."""
        self.examined += things

    def add_violation(self, text: str, size: float = 0.0) -> None:
        """Count a violation. `size` is its size in the unit of the check."""
        self._count += 1
        self._first = self._first or text
        self._last = text
        if size > self._worst[1]:
            self._worst = (text, size)

    def mark_unknown(self, text: str) -> None:
        """Record that something could not be decided, so the check cannot pass."""
        self._open.append(text)

    def note(self, text: str) -> None:
        """Add a note that does not change the verdict."""
        self._notes.append(text)

    def result(self) -> CheckResult:
        """Return the result of the check."""
        verdict = Verdict.PASS
        if self._count:
            verdict = Verdict.FAIL
        elif self._open or not self.examined:
            verdict = Verdict.UNKNOWN
        notes = list(self._notes)
        if self._open:
            rest = f" (and {len(self._open) - 1} more)" if len(self._open) > 1 else ""
            notes.append(f"undecided: {self._open[0]}{rest}")
        if not self.examined and not self._open:
            notes.append("there was nothing to examine")
        return CheckResult(
            name=self._name,
            title=self._title,
            verdict=verdict,
            examined=self.examined,
            count=self._count,
            violations=self._violations(),
            note="; ".join(notes),
        )

    def _violations(self) -> tuple[str, ...]:
        if not self._count:
            return ()
        if self._count == 1:
            return (self._first,)
        texts = [f"first: {self._first}"]
        if self._worst[0] not in {self._first, self._last}:
            texts.append(f"worst: {self._worst[0]}")
        return (*texts, f"last: {self._last}")


NO_DATABASE = "the database could not be read at the end"
