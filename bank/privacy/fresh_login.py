"""The condition of a fresh login for requests that give away or destroy everything about a person."""

from datetime import datetime, timedelta
from typing import Any

from bank.database.statements import load_statements
from bank.identity.tokens import Caller
from bank.refusal import Refusal

queries = load_statements(__file__)

# A stolen access token is usually older than this, and a person needs less to confirm what they have just asked for.
FRESH_FOR = timedelta(minutes=5)


async def refuse_stale_login(connection: Any, caller: Caller, now: datetime) -> Refusal | None:
    """Return a refusal unless the caller's session began at most five minutes ago. A refresh does not count."""
    began = await queries.session_began(connection, id=caller.session_id, user_id=caller.user_id)
    if began is not None and now - began <= FRESH_FOR:
        return None
    return Refusal(code="FRESH_LOGIN_REQUIRED", message="Log in again first: this needs a login of the last 5 minutes.")
