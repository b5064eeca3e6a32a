"""The context of a request, available to all code that runs in its task.

Log lines, events and error responses take their correlation id from it.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The origin of a request. `actor_id` is the authenticated user, or None.

    `refusals` collects the codes of the refusals (userErrors) in its response, for the log and the metrics.
    """

    correlation_id: str
    ip_address: str | None = None
    user_agent: str | None = None
    actor_id: UUID | None = None
    refusals: list[str] = field(default_factory=list)


_current: ContextVar[RequestContext | None] = ContextVar("bank_request_context", default=None)


def current_context() -> RequestContext | None:
    """Return the context of the current request, or None outside of any request."""
    return _current.get()


def enter_context(context: RequestContext) -> None:
    """Make `context` current for the running task and the tasks that it starts."""
    _current.set(context)


def correlation_id() -> str | None:
    """Return the correlation id of the current request, or None outside of any request."""
    context = _current.get()
    return context.correlation_id if context else None


def enter_actor(user_id: UUID) -> None:
    """Add the authenticated user to the current context."""
    context = _current.get()
    if context is not None:
        _current.set(replace(context, actor_id=user_id))


def note_refusal(code: str) -> None:
    """Add the code of a refusal in the response to the current context."""
    context = _current.get()
    if context is not None:
        context.refusals.append(code)
