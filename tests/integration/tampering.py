"""A change of the books by a superuser, the invariants that it breaks, and the sentence of a violation."""

import re
from dataclasses import dataclass

ANA = "(select account_id from holds limit 1)"
ANAS = f"account_id = {ANA}"
A_TRANSFER = "(select id from transactions where kind = 'TRANSFER' order by id limit 1)"
NOBODY = "00000000-0000-7000-8000-00000000dead"


@dataclass(frozen=True)
class Tampering:
    """Statements, all invariants that they break, and the sentence of one violation, in which … stands for any text."""

    what: str
    statements: list[str]
    breaks: set[str]
    named: str
    sentence: str

    def is_said(self, sentence: str) -> bool:
        pattern = ".*".join(re.escape(part) for part in self.sentence.split("…"))
        return re.fullmatch(pattern, sentence) is not None
