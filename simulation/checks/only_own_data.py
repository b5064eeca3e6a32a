"""An attacker neither sees nor moves anything of others, and no answer tells what exists.

Every request of an attacker that must be refused is refused for the expected reason. A request with the id of somebody
else has the same answer as one with an id that does not exist, and a guess of a password has the same answer for an
address of nobody. No answer has a name, an address, a CPF, a number or an id of others, unless the attacker sent it. In
the books, attackers have moved, held and changed nothing of others.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from simulation.checks.result_builder import CheckResultBuilder
from simulation.checks.whole_rows import check_rows
from simulation.judge.evidence import Evidence
from simulation.judge.fields.books import Books
from simulation.model.attacks import AttackRequest
from simulation.model.people import Role, punctuated
from simulation.model.result import CheckResult

NAME = "only_own_data"
TITLE = "Attackers neither see nor move what is not theirs"

ALWAYS_ALLOWED = frozenset({"RATE_LIMITED"})
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
NUMBER = re.compile(r"\b[0-9]{4}/[0-9]{8}-[0-9X]")

ACTS_OF_NOBODY = frozenset({"ActionRefusedEvent", "LoginFailedEvent"})
"""The events that say that nothing was done."""


def applies(evidence: Evidence) -> bool:
    """Return whether attacks were planned."""
    return bool(evidence.plan.attacks)


def check(evidence: Evidence) -> CheckResult:
    """Examine every answer to an attacker, and every row and event that an attacker made."""
    return check_rows(NAME, TITLE, evidence, _examine)


def _examine(books: Books, builder: CheckResultBuilder) -> None:
    for examine in (_refusals, _twins, _answers, _rows, _events):
        for sentence in examine(books, builder):
            builder.add_violation(sentence)


def _of_attackers(books: Books) -> Iterator[AttackRequest]:
    return (r for r in books.evidence.attack_requests if not r.by_owner and r.is_answered)


def _refusals(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that each request is refused, or succeeds, as the attack expects."""
    for request in _of_attackers(books):
        builder.examine()
        unexpected = set(request.codes) - request.expected - ALWAYS_ALLOWED
        if unexpected:
            expected = " or ".join(sorted(request.expected)) or "a success"
            yield f"{request}: refused with {min(unexpected)} instead of {expected}"
        elif request.expected and not request.is_refused:
            yield f"{request}: executed instead of refused with {' or '.join(sorted(request.expected))}"


def _twins(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require equal answers to requests that differ only in the existence of what they name."""
    seen: dict[tuple[int, str], tuple[AttackRequest, str]] = {}
    for request in _of_attackers(books):
        if request.twin is None or set(request.codes) & ALWAYS_ALLOWED:
            continue
        builder.examine()
        answer = _without_own_values(request)
        other, right = seen.setdefault((request.attack.index, request.twin), (request, answer))
        if answer != right:
            yield f"{request}: its answer differs from that of {other.step}"


def _without_own_values(request: AttackRequest) -> str:
    """Return the status and the answer, in which the values of the request and its correlation id are replaced."""
    text = f"{request.status} {(request.body or b'').decode(errors='replace')}"
    sent = request.sent.decode(errors="replace")
    values = {*UUID.findall(sent), *NUMBER.findall(sent), request.correlation_id or ""} - {""}
    for value in sorted(values):
        text = text.replace(value, "…")
    return text


def _answers(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that no answer has a text or an id of others that the attacker did not send."""
    evidence = books.evidence
    texts: dict[str, int] = {}
    for person in evidence.plan.people:
        for text in (person.email, person.full_name, person.cpf, punctuated(person.cpf)):
            texts[text] = person.index
    owners = _owners(books)
    for request in _of_attackers(books):
        builder.examine()
        body, sent = ((data or b"").decode(errors="replace") for data in (request.body, request.sent))
        own = evidence.user_ids.get(request.attack.attacker)
        for text, index in texts.items():
            if text in body and index != request.attack.attacker and text not in sent:
                yield f"{request}: its answer has personal data of person {index}"
        for id_ in {*UUID.findall(body), *NUMBER.findall(body)}:
            if owners.get(id_, own) != own and id_ not in sent:
                yield f"{request}: its answer has {id_}, which is not the attacker's"


def _owners(books: Books) -> Mapping[str, str]:
    """Return the user to whom each id and each account number belongs; a movement belongs to who pays."""
    owners = {user_id: user_id for user_id in books.rows["users"]}
    for row in books.rows["accounts"].values():
        owners |= {str(row["id"]): str(row["user_id"]), str(row["number"]): str(row["user_id"])}
    owners |= {id_: str(row["user_id"]) for id_, row in books.rows["sessions"].items()}
    owners |= {id_: owners[str(row["debit_account_id"])] for id_, row in books.rows["transactions"].items()}
    owners |= {id_: owners[str(row["account_id"])] for id_, row in books.rows["holds"].items()}
    return owners


def _attackers(books: Books) -> Mapping[str, int]:
    """Return the number of each attacker, by the id of the user."""
    people = books.evidence.plan.people_with(Role.ATTACKER)
    ids = {person.index: books.evidence.user_ids.get(person.index) for person in people}
    return {id_: index for index, id_ in ids.items() if id_ is not None}


def _rows(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that what attackers paid and held was theirs."""
    owners, attackers = _owners(books), _attackers(books)
    for table, account in (("transactions", "debit_account_id"), ("holds", "account_id")):
        for id_, row in books.rows[table].items():
            by = str(row["initiated_by"])
            if by in attackers:
                builder.examine()
                if owners[str(row[account])] != by:
                    yield f"attacker {attackers[by]} moved or held money of others: {table} {id_}"


def _events(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that every event of an attacker is about something of the attacker, or a refusal."""
    owners, attackers = _owners(books), _attackers(books)
    about: dict[int, tuple[str, str]] = defaultdict(lambda: ("", ""))
    about |= {event.position: (event.event_type, event.aggregate_id) for event in books.database.events}
    for row in books.rows["event_store"].values():
        by, (kind, id_) = str(row["metadata"].get("actor_id")), about[row["position"]]
        if by in attackers and kind not in ACTS_OF_NOBODY:
            builder.examine()
            if owners.get(id_, by) != by:
                yield f"attacker {attackers[by]} caused a {kind} at position {row['position']}, which is about others"
