"""Excerpts about a violation: operations and entries of its account, and lines of the bank's logs."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulation.judge.evidence import Evidence
from simulation.model.attempts import Attempt, Sent
from simulation.model.result import CheckResult, Excerpt, Verdict

OPERATION = re.compile(r"\boperation (\d+)\b")
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")

LINES_MAX = 30
"""Number of lines of each excerpt, around the violation: as many as fit on a screen."""


def violation_context(evidence: Evidence, checks: Iterable[CheckResult]) -> tuple[Excerpt, ...]:
    """Return excerpts about the first violation that names an account; none if no check failed."""
    failed = [(check, text) for check in checks if check.verdict is Verdict.FAIL for text in check.violations]
    if not failed:
        return ()
    # A wrong sum names no account, so a violation of another check that names one is preferred.
    named = ((check, text) for check, text in failed if _accounts(evidence, text))
    check, text = next(named, failed[0])
    attempts, accounts, ids = _attempts(evidence, text), _accounts(evidence, text), set(UUID.findall(text))
    words = ids | accounts | {attempt.correlation_id for attempt in attempts if attempt.correlation_id}
    excerpts = (
        Excerpt("The violation", (f"{check.title}: {text}",)),
        Excerpt("Operations on the account", _operations(evidence, accounts, attempts)),
        Excerpt("Entries of the account", _entries(evidence, accounts)),
        Excerpt("Lines of the bank's logs", _log_lines(evidence.logs, words)),
    )
    return tuple(excerpt for excerpt in excerpts if excerpt.lines)


def _attempts(evidence: Evidence, text: str) -> list[Attempt]:
    numbers = {int(number) for number in OPERATION.findall(text)}
    return [attempt for attempt in evidence.attempts if attempt.operation.index in numbers]


def _accounts(evidence: Evidence, text: str) -> set[str]:
    """Return the ids of the accounts of a violation: those in its text, and those of the operations in its text."""
    ids, database = set(UUID.findall(text)), evidence.database
    accounts = set() if database is None else {id_ for id_ in ids if id_ in database.accounts}
    if database is not None:
        for id_ in ids & database.transactions.keys():
            row = database.transactions[id_]
            accounts |= {row.debit_account_id, row.credit_account_id}
    for attempt in _attempts(evidence, text):
        accounts |= _named(evidence, attempt.sent)
    return accounts


def _named(evidence: Evidence, sent: Sent) -> set[str]:
    numbers = [sent.account_number, sent.target_number]
    found = {evidence.ids_by_number[number] for number in numbers if number and number in evidence.ids_by_number}
    found |= {sent.account_id} if sent.account_id else set()
    for item in sent.items:
        found |= _named(evidence, item)
    return found


def _operations(evidence: Evidence, accounts: set[str], named: Sequence[Attempt]) -> tuple[str, ...]:
    about = [attempt for attempt in evidence.attempts if accounts & _named(evidence, attempt.sent)]
    near = _around(about, [place for place, attempt in enumerate(about) if attempt in named]) or list(named)
    return tuple(_operation(attempt) for attempt in near[:LINES_MAX])


def _operation(attempt: Attempt) -> str:
    sent = ", ".join(
        f"{name} {value}"
        for name in ("account_id", "account_number", "target_number", "amount", "about_id")
        if (value := getattr(attempt.sent, name))
    )
    code = f" {attempt.code}" if attempt.code else ""
    key = f", key {attempt.operation.key}" if attempt.operation.key else ""
    return f"{attempt}, attempt {attempt.number}{key}: {sent or 'nothing'} -> {attempt.outcome}{code}"


def _entries(evidence: Evidence, accounts: set[str]) -> tuple[str, ...]:
    if evidence.database is None:
        return ()
    lines = []
    for account_id in sorted(accounts):
        lines += [
            f"account {account_id}, entry {entry.version}: {entry.amount_minor:+d}, then {entry.balance_after_minor} "
            f"(transaction {entry.transaction_id})"
            for entry in evidence.database.entries.get(account_id, ())
        ]
    return tuple(lines[-LINES_MAX:])


def _log_lines(logs: Sequence[Path], words: set[str]) -> tuple[str, ...]:
    found = []
    for path in logs:
        if not path.exists():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if any(word in line for word in words):
                found.append(f"{path.name}, line {number}: {line[:1_000]}")
    return tuple(found[:LINES_MAX])


def _around(attempts: Sequence[Attempt], places: Sequence[int]) -> list[Attempt]:
    """Return at most `LINES_MAX` attempts with the named ones in the middle; the last ones if none is named."""
    if not places:
        return list(attempts[-LINES_MAX:])
    begin = max(0, places[0] - LINES_MAX // 2)
    return list(attempts[begin : begin + LINES_MAX])
