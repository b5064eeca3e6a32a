"""Endings: a reply as a person understands it."""

from dataclasses import dataclass

from simulation.client.forms import MalformedAnswerError
from simulation.client.payloads import FIELDS, read_payload
from simulation.client.send import Reply
from simulation.model.answers import Answer
from simulation.model.attempts import Outcome
from simulation.model.operations import Kind

DEFINITE = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "BAD_INPUT", "OVERLOADED"})
"""Top-level errors that say for sure that nothing was done."""

BEFORE_ALL = frozenset({"UNAUTHENTICATED", "BAD_INPUT"})
"""Those that are said before the first field of a document is begun."""

UNDECIDED = frozenset({"OUTCOME_UNKNOWN", "UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a request, as a person understands the reply."""

    outcome: Outcome
    code: str | None = None
    answer: Answer | None = None
    replayed: bool | None = None


def understand(kind: Kind, reply: Reply, *, alias: str | None = None) -> Ending:
    """Read a reply: what the bank said for sure, what it left open, and what it should never have said.

    `alias` names one of several fields of the document. An error in one of them hides what became of the others, unless
    it came before any was begun.
    """
    if reply.failure is not None:
        return Ending("error" if reply.status is not None and reply.status < 500 else "unknown", reply.failure)
    if reply.error_codes:
        code = reply.error_codes[0]
        if code in (DEFINITE if alias is None else BEFORE_ALL):
            return Ending("refused", code)
        return Ending("unknown" if code in UNDECIDED | DEFINITE else "error", code)
    try:
        data = reply.data or {}
        payload = read_payload(kind, data if alias is None else {FIELDS[kind]: data.get(alias)})
    except MalformedAnswerError as error:
        return Ending("error", f"MALFORMED: {error}")
    if payload.refusals:
        return Ending("refused", payload.refusals[0], replayed=payload.replayed)
    return Ending("ok", answer=payload.answer, replayed=payload.replayed)
