"""The check of stored personal data."""

import json
import re

import pytest

from simulation.checks import CHECKS
from simulation.judge.database_state import StoredTexts
from simulation.judge.evidence import Evidence
from simulation.judge.personal_texts import personal_texts, search_pattern
from simulation.model.people import punctuated
from simulation.model.result import Verdict
from tests.unit.simulation.changed_evidence import verdict, with_database

NAME = "stored_data_is_encrypted"


def test_a_personal_text_in_a_stored_row_fails(evidence: Evidence) -> None:
    found = {"holds": StoredTexts(7, 0, None), "transactions": StoredTexts(9, 2, "a description or a reason")}
    result = CHECKS[NAME].check(with_database(evidence, stored_texts=found))
    assert (result.verdict, result.examined) == (Verdict.FAIL, 16)
    assert result.violations == ("transactions: 2 of 9 rows have a description or a reason or more in clear",)


def test_rows_without_a_personal_text_pass(evidence: Evidence) -> None:
    found = {"holds": StoredTexts(7, 0, None)}
    assert verdict(NAME, with_database(evidence, stored_texts=found)) is Verdict.PASS


@pytest.mark.parametrize("kind", ["full_name", "email", "cpf"])
def test_the_search_covers_each_person(evidence: Evidence, kind: str) -> None:
    texts = personal_texts(evidence.plan)
    for person in evidence.plan.people:
        assert getattr(person, kind) in texts
        assert punctuated(person.cpf) in texts


def test_the_search_covers_each_description(evidence: Evidence) -> None:
    texts = personal_texts(evidence.plan)
    written = {operation.text for operation in evidence.plan.operations if operation.text}
    assert len(written) > 3
    assert written <= texts.keys()


@pytest.mark.parametrize(
    ("value", "is_found"),
    [
        ({"description": "rent"}, True),
        ({"description": "enc1.7.parent"}, False),
        ({"note": "sent from 127.0.0.1"}, True),
        ({"deep": [{"text": "a/c 0001 \"x\" 'y' <z>"}]}, True),
        ({"text": "café & pão, 2"}, True),
    ],
)
def test_a_text_is_found_in_json_and_a_short_word_only_as_a_value(
    evidence: Evidence, value: object, *, is_found: bool
) -> None:
    pattern = search_pattern(evidence.plan)
    assert bool(re.search(pattern, json.dumps(value, ensure_ascii=False))) == is_found
