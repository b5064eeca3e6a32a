"""The outcome of a request, derived from its reply."""

from dataclasses import dataclass

from simulation.client.payloads import FIELDS, read_payload
from simulation.client.send import Reply
from simulation.client.value_types import MalformedAnswerError
from simulation.model.answers import Answer
from simulation.model.attempts import Outcome
from simulation.model.operations import Kind

REFUSED_CODES = frozenset({"UNAUTHENTICATED", "FORBIDDEN", "BAD_INPUT", "OVERLOADED", "RATE_LIMITED"})
"""The codes of top-level errors after which certainly nothing was executed."""

BEFORE_EXECUTION = frozenset({"UNAUTHENTICATED", "BAD_INPUT", "RATE_LIMITED"})
"""The codes among them that are returned before the execution of the first field of a document."""

UNKNOWN_CODES = frozenset({"OUTCOME_UNKNOWN", "UNAVAILABLE"})


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """The outcome of a request with its code or its answer."""

    outcome: Outcome
    code: str | None = None
    answer: Answer | None = None
    replayed: bool | None = None


def parse_reply(kind: Kind, reply: Reply, *, alias: str | None = None) -> ParsedReply:
    """Return the outcome of a request: a definite answer, an unknown outcome, or a violation of the contract.

    `alias` names one of several fields of the document. An error in one of them makes the outcome of the others
    unknown, unless it was returned before the execution of any field.
    """
    if reply.failure is not None:
        return ParsedReply("error" if reply.status is not None and reply.status < 500 else "unknown", reply.failure)
    if reply.error_codes:
        code = reply.error_codes[0]
        if code in (REFUSED_CODES if alias is None else BEFORE_EXECUTION):
            return ParsedReply("refused", code)
        return ParsedReply("unknown" if code in UNKNOWN_CODES | REFUSED_CODES else "error", code)
    try:
        data = reply.data or {}
        payload = read_payload(kind, data if alias is None else {FIELDS[kind]: data.get(alias)})
    except MalformedAnswerError as error:
        return ParsedReply("error", f"MALFORMED: {error}")
    if payload.refusals:
        return ParsedReply("refused", payload.refusals[0], replayed=payload.replayed)
    return ParsedReply("ok", answer=payload.answer, replayed=payload.replayed)
