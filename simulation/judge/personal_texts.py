"""The personal texts of a run, and the search for them in the rows as they are stored."""

import json
import re
from collections.abc import Mapping
from typing import Any

from simulation.judge.database_state import StoredTexts
from simulation.model.attacks import CanaryPath
from simulation.model.people import punctuated
from simulation.model.plan import Plan

SENDER, PROGRAM = "127.0.0.1", "bank-simulation"
"""The address and the user agent of people who have none of their own."""

SUBSTRING_MIN = 11
"""The shortest word that is searched as a part of a value: shorter ones occur in encrypted texts by chance."""

TABLES = """
    select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by 1
"""
# A regular expression is searched in one pass over the row, however many texts it has. `substring` returns its match.
SEARCH = """
    select count(*) as rows, count(found) as matches, min(found) as found
    from (select substring(to_jsonb(t)::text from $1) as found from {table} t) searched
"""


def personal_texts(plan: Plan) -> Mapping[str, str]:
    """Return what each text is that no row may have in clear, by the text."""
    texts = {SENDER: "the address of a client", PROGRAM: "the user agent of a client"}
    texts |= {operation.text: "a description or a reason" for operation in plan.operations if operation.text}
    texts |= {address: "the address of an attacker" for attack in plan.attacks for address in attack.addresses}
    canaries = [canary for attack in plan.attacks for canary in attack.canaries]
    # Keys are stored as they are sent, because clients repeat them.
    texts |= {text: f"the canary in the {path}" for path, text in canaries if path is not CanaryPath.IDEMPOTENCY_KEY}
    for person in plan.people:
        if person.address is not None:
            texts[person.address] = f"the address of person {person.index}"
        texts[" ".join(person.full_name.split())] = f"the name of person {person.index}"
        texts[person.email] = f"the e-mail address of person {person.index}"
        texts[person.cpf] = f"the CPF of person {person.index}"
        texts[punctuated(person.cpf)] = f"the CPF of person {person.index}, punctuated"
    return texts


def search_pattern(plan: Plan) -> str:
    """Return the regular expression that matches the personal texts of a plan in a row as JSON."""
    return "|".join(re.escape(_in_json(text)) for text in personal_texts(plan))


async def search_personal_texts(connection: Any, plan: Plan) -> Mapping[str, StoredTexts]:
    """Search every row of every table for the personal texts of a plan, and return the result by table."""
    labels = {_in_json(text): label for text, label in personal_texts(plan).items()}
    pattern, found = search_pattern(plan), {}
    for row in await connection.fetch(TABLES):
        table = row["relname"]
        result = await connection.fetchrow(SEARCH.format(table=table), pattern)
        found[table] = StoredTexts(result["rows"], result["matches"], labels.get(result["found"]))
    return found


def _in_json(text: str) -> str:
    """Return a text as PostgreSQL writes it in JSON; a short word with its quotation marks, as a whole value."""
    quoted = json.dumps(text, ensure_ascii=False)
    is_short_word = len(text) < SUBSTRING_MIN and re.fullmatch(r"[\w-]*", text, re.ASCII)
    return quoted if is_short_word else quoted[1:-1]
