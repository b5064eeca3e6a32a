"""The codec of stored outcomes: it reads outcomes of every version, and reports the ones that it cannot read."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.errors import OutcomeUnknown
from bank.idempotency import outcomes
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import KEY_REUSED, IdempotencyRecord, replay
from bank.idempotency.outcomes import (
    APPROVAL_VERSION,
    FORMAT_VERSION,
    ApprovalReceipt,
    HoldReceipt,
    OpenedAccount,
    Outcome,
    Receipt,
    Result,
    Results,
    UnknownOutcomeVersion,
    decode_outcome,
    encode_outcome,
)
from bank.refusal import Refusal

HERE = Path(__file__).parent
VERSION_1: list[dict[str, str]] = json.loads((HERE / "outcomes_v1.json").read_text("utf-8"))
VERSION_2: list[dict[str, str]] = json.loads((HERE / "outcomes_v2.json").read_text("utf-8"))
PAGE = (HERE.parents[2] / "docs" / "idempotency.md").read_text("utf-8")
KINDS = {
    "transfer": Receipt,
    "deposit": Receipt,
    "withdraw": Receipt,
    "reverseTransaction": Receipt,
    "transferBatch": Results,
    "authorizeHold": HoldReceipt,
    "captureHold": HoldReceipt,
    "releaseHold": HoldReceipt,
    "openAccount": OpenedAccount,
}
names = [one["name"] for one in VERSION_1]


def _plain(stored: str) -> Any:
    """Return the members of a stored outcome without its version, with all times in one spelling."""
    members = json.loads(stored)
    members.pop("version", None)
    return json.loads(json.dumps(members).replace("+00:00", "Z"))


@pytest.mark.parametrize("recorded", VERSION_1, ids=names)
def test_an_outcome_of_version_1_is_read_without_loss(recorded: dict[str, str]) -> None:
    result = decode_outcome(recorded["outcome"])
    assert isinstance(result, KINDS[recorded["operation"]] | Refusal)
    assert _plain(encode_outcome(result)) == _plain(recorded["outcome"])


def test_an_outcome_of_every_kind_and_a_refusal_of_it_were_recorded_in_version_1() -> None:
    recorded = {(one["operation"], type(decode_outcome(one["outcome"]))) for one in VERSION_1}
    operations = KINDS.keys() - {"deposit", "withdraw"}
    assert recorded == set(KINDS.items()) | {(operation, Refusal) for operation in operations}
    assert all("version" not in json.loads(one["outcome"]) for one in VERSION_1)


def test_values_of_version_1_are_of_their_types() -> None:
    by_name = {one["name"]: decode_outcome(one["outcome"]) for one in VERSION_1}
    captured = by_name["a capture of a part"]
    assert isinstance(captured, HoldReceipt)
    assert (captured.id, captured.captured_minor) == (UUID(int=61), 2_000)
    assert captured.expires_at == datetime(2026, 11, 22, 17, tzinfo=UTC)
    assert captured.receipt is not None
    assert (captured.receipt.amount_minor, captured.receipt.hold_id) == (2_000, UUID(int=61))
    listed = by_name["a list, each by itself, with a refused item"]
    assert isinstance(listed, Results)
    assert [type(item) for item in listed.items] == [Receipt, Refusal]
    moved = by_name["a transfer"]
    assert isinstance(moved, Receipt)
    assert (moved.fee_minor, moved.related_id, moved.hold_id) == (0, None, None)
    before_0002 = by_name["an account opened before migration 0002, which wrote its outcome"]
    assert isinstance(before_0002, OpenedAccount)
    assert before_0002.created_at == datetime(2026, 3, 1, 15, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("recorded", VERSION_2, ids=[one["name"] for one in VERSION_2])
def test_the_current_version_is_written_as_recorded(recorded: dict[str, str]) -> None:
    """A change of the text is a change of the format, which needs a new version and a new record."""
    assert json.loads(recorded["outcome"])["version"] == FORMAT_VERSION
    assert encode_outcome(decode_outcome(recorded["outcome"])) == recorded["outcome"]


def test_the_record_of_the_current_version_covers_the_first_version() -> None:
    assert [one["name"] for one in VERSION_2] == names


moments = st.datetimes(timezones=st.just(UTC))
texts = st.text(st.characters(codec="utf-8"), max_size=20)
minor = st.integers(-(2**63), 2**63 - 1)
refusals = st.builds(Refusal, code=texts, message=texts, field=st.none() | st.lists(texts, max_size=4).map(tuple))
receipts = st.builds(
    Receipt,
    transaction_id=st.uuids(),
    kind=texts,
    amount_minor=minor,
    currency=texts,
    debit_number=texts,
    credit_number=texts,
    description=st.none() | texts,
    created_at=moments,
    debit_balance_after_minor=minor,
    credit_balance_after_minor=minor,
    fee_minor=minor,
    related_id=st.none() | st.uuids(),
    hold_id=st.none() | st.uuids(),
)
holds = st.builds(
    HoldReceipt,
    id=st.uuids(),
    status=texts,
    amount_minor=minor,
    captured_minor=minor,
    currency=texts,
    debit_number=texts,
    credit_number=texts,
    description=st.none() | texts,
    expires_at=moments,
    created_at=moments,
    available_after_minor=minor,
    receipt=st.none() | receipts,
)
opened_accounts = st.builds(
    OpenedAccount, id=st.uuids(), user_id=st.uuids(), number=texts, currency=texts, created_at=moments
)
lists = st.builds(Results, st.lists(receipts | refusals, max_size=5).map(tuple))
approvals = st.builds(ApprovalReceipt, st.uuids())
results: st.SearchStrategy[Result] = st.one_of(receipts, holds, opened_accounts, approvals, lists, refusals)


@given(results)
def test_any_result_is_decoded_as_it_was_stored(result: Result) -> None:
    stored = encode_outcome(result)
    assert decode_outcome(stored) == result
    version = APPROVAL_VERSION if isinstance(result, ApprovalReceipt) else FORMAT_VERSION
    assert json.loads(stored)["version"] == version
    assert len(json.loads(stored)) == 2


@given(results, st.integers(APPROVAL_VERSION + 1, 2**31))
def test_a_newer_version_is_one_clear_error_for_any_content(result: Result, version: int) -> None:
    stored = json.dumps(
        {**json.loads(encode_outcome(result)), "version": version, "receipt": ["of", "a", "new", "form"]}
    )
    with pytest.raises(UnknownOutcomeVersion) as raised:
        decode_outcome(stored)
    assert f"format version {version}; this worker reads versions 1 to {APPROVAL_VERSION}." in raised.value.message
    assert isinstance(raised.value, OutcomeUnknown), "a retry may meet a worker that reads it"
    assert raised.value.retryable


@pytest.mark.parametrize(
    "stored",
    [
        "{}", '{"version":2}', '{"version":2,"items":[{}]}', '{"version":2,"receipt":null}', '{"version":"2"}', "[]",
        '{"version":2,"refusal":{"code":"X","message":"Y","field":null},"items":[]}',
        '{"version":2,"items":[{"refusal":{"code":"X","message":"Y"},"receipt":5}]}',
        '{"version":2,"refusal":{"code":"X"}}',
    ],
)  # fmt: skip
def test_invalid_texts_are_not_decoded_as_stored_outcomes(stored: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_outcome(stored)


def test_a_version_below_the_first_is_invalid() -> None:
    for version in (0, -1):
        with pytest.raises(UnknownOutcomeVersion):
            decode_outcome(f'{{"version":{version},"items":[]}}')


@given(results)
def test_a_replay_is_the_stored_result_and_another_request_is_a_key_conflict(result: Result) -> None:
    digest = request_digest("content")
    record = IdempotencyRecord("transfer", digest, encode_outcome(result))
    assert replay(record, "transfer", digest) == Outcome(result, replayed=True)
    for operation, other in (("deposit", digest), ("transfer", request_digest("other"))):
        conflict = replay(record, operation, other)
        assert (conflict.result is KEY_REUSED, conflict.replayed) == (True, False)


def test_the_documentation_names_every_member_of_the_format() -> None:
    documented = {
        name: re.findall(r"`(\w+)`", members)
        for name, members in re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|$", PAGE, re.MULTILINE)
    }
    structs = {
        "receipt": Receipt,
        "hold": HoldReceipt,
        "opened": OpenedAccount,
        "approval": ApprovalReceipt,
        "refusal": Refusal,
    }
    assert documented.keys() == {"version", "items", *structs}
    assert documented["items"] == ["receipt", "refusal"]
    assert {name: tuple(documented[name]) for name in structs} == {
        name: struct.__struct_fields__ for name, struct in structs.items()
    }
    assert outcomes.__doc__
    for name in documented:
        assert f"`{name}`" in outcomes.__doc__
    for version in (FORMAT_VERSION, APPROVAL_VERSION):
        assert f"version {version}" in PAGE


def test_examples_of_the_documentation_are_stored_outcomes() -> None:
    examples = re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)
    assert len(examples) >= 2
    for example in examples:
        decode_outcome(example)
