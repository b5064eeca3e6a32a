"""The digest of a request depends on every field of every command, by its value."""

import asyncio
import dataclasses
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.holds.authorize import AuthorizeHold, authorize_hold
from bank.holds.capture import CaptureHold, capture_hold
from bank.holds.release import ReleaseHold, release_hold
from bank.idempotency.digests import request_digest, salted_row_digest, salted_text_digest
from bank.idempotency.outcomes import Outcome, Results
from bank.ledger.model import Command
from bank.money import CURRENCIES, Currency
from bank.transfers.batch import SubmitTransferBatch, submit_transfer_batch
from bank.transfers.deposit import SubmitDeposit, submit_deposit
from bank.transfers.reverse import Reverse, reverse
from bank.transfers.transfer import SubmitTransfer, submit_transfer
from bank.transfers.withdraw import SubmitWithdrawal, submit_withdrawal
from tests.unit.in_memory_ledger import ANA, ANAS, ANAS_OTHER, BIA, BIAS, NOW, TERMS, transfer

VERSION_1 = json.loads(Path(__file__).with_name("outcomes_v1.json").read_text("utf-8"))


class Recording:
    """A ledger that keeps the command it received."""

    command: Command

    async def encrypt_text(self, text: str | None, _person_id: UUID | None) -> str | None:
        return text and f"encrypted {text} {secrets.token_hex(4)}"

    async def post(self, command: Command) -> Outcome:
        self.command = command
        return Outcome(Results(()))


@dataclass(frozen=True)
class Kind:
    """A command, the function that sends it, and values for each of the fields of its content."""

    command: type[Any]
    send: Callable[[Any, Any], Awaitable[Outcome]]
    content: Mapping[str, st.SearchStrategy[Any]]
    fixed: Mapping[str, Any]

    def draw(self) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(dict(self.content))


async def _accounts(_database: Any, _id: UUID) -> tuple[UUID, ...]:
    return ANAS, BIAS


async def _transaction_accounts(_database: Any, _id: UUID) -> tuple[tuple[UUID, ...], UUID]:
    return (ANAS, BIAS), BIA


ids = st.uuids(version=4)
numbers = st.sampled_from(["number-21", "number-12", "", "a\0b"])
amounts = st.integers(1, 99_999).map(lambda minor: f"{minor // 100}.{minor % 100:02}")
lines = st.none() | st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=8)
moments = st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is drawn
parts = st.none() | amounts
brl = st.just("BRL")
transfers = st.builds(transfer, from_id=ids, to_number=numbers, amount=amounts, description=lines)
PAYS = {"from_id": ids, "to_number": numbers, "amount": amounts, "currency": brl, "description": lines}
TELLER = {"amount": amounts, "currency": brl, "description": lines}
# These fields follow from others, or are the key of the row.
NOT_CONTENT = {"caller_id": ANA, "key": "k"}
KINDS = {
    "transfer": Kind(
        SubmitTransfer, lambda to, one: submit_transfer(to, TERMS, one), PAYS, {**NOT_CONTENT, "to_id": BIAS}
    ),
    "deposit": Kind(
        SubmitDeposit, lambda to, one: submit_deposit(to, TERMS, one), {**TELLER, "to_number": numbers},
        {**NOT_CONTENT, "to_id": BIAS, "to_owner_id": ANA},
    ),
    "withdraw": Kind(
        SubmitWithdrawal, lambda to, one: submit_withdrawal(to, TERMS, one), {**TELLER, "from_number": numbers},
        {**NOT_CONTENT, "owner_id": ANA, "from_id": ANAS, "from_owner_id": ANA},
    ),
    "transferBatch": Kind(
        SubmitTransferBatch, lambda to, one: submit_transfer_batch(to, TERMS, one),
        {"all_or_none": st.booleans(), "items": st.lists(transfers, min_size=1, max_size=3).map(tuple)}, NOT_CONTENT,
    ),
    "authorizeHold": Kind(
        AuthorizeHold, lambda to, one: authorize_hold(to, TERMS, one), {**PAYS, "expires_at": moments},
        {**NOT_CONTENT, "to_id": BIAS},
    ),
    "captureHold": Kind(
        CaptureHold, lambda to, one: capture_hold(to, None, one),  # type: ignore[arg-type]  # it is not used
        {"hold_id": ids, "amount": parts, "currency": brl}, {**NOT_CONTENT, "owner_id": ANA},
    ),
    "releaseHold": Kind(
        ReleaseHold, lambda to, one: release_hold(to, None, one), {"hold_id": ids},  # type: ignore[arg-type]
        {**NOT_CONTENT, "owner_id": ANA},
    ),
    "reverseTransaction": Kind(
        Reverse, lambda to, one: reverse(to, None, TERMS, one),  # type: ignore[arg-type]
        {"transaction_id": ids, "amount": parts, "currency": brl, "reason": lines}, {**NOT_CONTENT, "owner_id": ANA},
    ),
}  # fmt: skip
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def command_of(kind: Kind, content: Mapping[str, Any], **more: Any) -> Command:
    """Return the command that a request posts."""
    ledger = Recording()
    with (
        mock.patch("bank.holds.capture.hold_accounts", _accounts),
        mock.patch("bank.holds.release.hold_accounts", _accounts),
        mock.patch("bank.transfers.reverse.transaction_accounts", _transaction_accounts),
    ):
        asyncio.run(_sent(kind.send(ledger, kind.command(**{**kind.fixed, **content, **more}))))
    return ledger.command


async def _sent(sending: Awaitable[Outcome]) -> Outcome:
    return await sending


def digest_of_request(kind: Kind, content: Mapping[str, Any], **more: Any) -> bytes:
    """Return the digest of a request; a request that is refused at once has none."""
    command = command_of(kind, content, **more)
    assert command.key is not None, "this content is valid"
    return command.digest


@each_kind
def test_every_field_of_a_command_is_content_or_derived_from_content(kind: Kind) -> None:
    assert {field.name for field in dataclasses.fields(kind.command)} == kind.content.keys() | kind.fixed.keys()


@each_kind
@given(data=st.data())
def test_requests_have_equal_digests_if_and_only_if_their_content_is_equal(kind: Kind, data: st.DataObject) -> None:
    one, two = data.draw(kind.draw()), data.draw(kind.draw())
    changed = data.draw(st.sampled_from(sorted(kind.content)))
    for other in (one, two, {**one, changed: two[changed]}):
        assert (digest_of_request(kind, one) == digest_of_request(kind, other)) == (one == other)


@each_kind
@given(data=st.data())
def test_fields_that_are_not_content_do_not_change_the_digest(kind: Kind, data: st.DataObject) -> None:
    content = data.draw(kind.draw())
    others = {"caller_id": BIA, "key": "other", "to_id": ANAS_OTHER, "from_id": ANAS_OTHER, "owner_id": None}
    others |= {"to_owner_id": BIA, "from_owner_id": BIA}
    for name in kind.fixed:
        assert digest_of_request(kind, content, **{name: others[name]}) == digest_of_request(kind, content)


@each_kind
@given(data=st.data())
def test_a_currency_is_content_if_several_currencies_exist(kind: Kind, data: st.DataObject) -> None:
    if "currency" not in kind.content:
        return
    content = data.draw(kind.draw().filter(lambda drawn: drawn["amount"] is not None))
    with (
        mock.patch.dict("bank.ledger.policy.CASH_ACCOUNTS", {"EUR": ANAS}),
        mock.patch.dict("bank.ledger.policy.FEE_ACCOUNTS", {"EUR": BIAS}),
        mock.patch("bank.money.CURRENCIES", {**CURRENCIES, "EUR": Currency("EUR", 2)}),
    ):
        assert digest_of_request(kind, content, currency="EUR") != digest_of_request(kind, content)


@given(st.lists(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(), max_size=4), st.data())
def test_a_text_moved_to_the_next_field_is_another_content(fields: list[Any], data: st.DataObject) -> None:
    others = data.draw(st.permutations(fields)) if data.draw(st.booleans()) else [*fields, None]
    same = [(type(one), one) for one in fields] == [(type(one), one) for one in others]
    assert (request_digest(*fields) == request_digest(*others)) == same


def test_another_spelling_of_the_same_amount_is_the_same_content() -> None:
    content = {"from_id": ANAS, "to_number": "n", "currency": "BRL", "description": None}
    digests = {
        digest_of_request(KINDS["transfer"], {**content, "amount": amount}) for amount in ("10.00", "10.0", "10")
    }
    assert len(digests) == 1


REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a transfer": ("transfer", {"from_id": ANAS, "to_number": "number-21", "amount": "10.00", "description": None}),
    "a deposit": ("deposit", {"to_number": "number-21", "amount": "1.00"}),
    "a withdrawal": ("withdraw", {"from_number": "number-11", "amount": "1.00", "description": "taxi"}),
    "a list, all or none": (
        "transferBatch", {"all_or_none": True, "items": (transfer(amount="1.00"), transfer(amount="2.00"))},
    ),
    "a hold with an end of its own": (
        "authorizeHold",
        {"from_id": ANAS, "to_number": "number-21", "amount": "1.00", "expires_at": NOW + timedelta(hours=1)},
    ),
    "a capture of a part": ("captureHold", {"hold_id": UUID(int=61), "amount": "20.00"}),
    "a release": ("releaseHold", {"hold_id": UUID(int=61)}),
    "a reversal of a part": (
        "reverseTransaction", {"transaction_id": UUID(int=61), "amount": "10.00", "reason": "broken"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_digests_equal_the_stored_digests_of_earlier_versions(name: str) -> None:
    """If a digest changed with the code, every retry after a release would be a key conflict."""
    operation, content = REQUESTS[name]
    [recorded] = [one for one in VERSION_1 if one["name"] == name]
    currency = {"currency": "BRL"} if "currency" in KINDS[operation].content else {}
    assert recorded["operation"] == operation
    assert digest_of_request(KINDS[operation], {**currency, **content}).hex() == recorded["request_digest"]


def test_the_digest_of_an_opening_equals_the_earlier_stored_one() -> None:
    [digest] = {one["request_digest"] for one in VERSION_1 if one["operation"] == "openAccount"}
    assert request_digest("BRL").hex() == digest


rows = st.fixed_dictionaries(
    {
        "caller_id": st.uuids(),
        "key": st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        "operation": st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        "digest": st.binary(min_size=32, max_size=32),
        "outcome": st.text(st.characters(codec="utf-8", exclude_characters="\0")),
        "transaction_id": st.none() | st.uuids(),
    }
)


@given(rows, rows, st.data())
def test_every_column_of_a_row_is_in_its_digest(one: dict[str, Any], two: dict[str, Any], data: st.DataObject) -> None:
    changed = data.draw(st.sampled_from(sorted(one)))
    with mock.patch("os.urandom", bytes):
        for other in (one, two, {**one, changed: two[changed]}):
            same = one == other
            assert (salted_row_digest(**one) == salted_row_digest(**other)) == same


@given(rows)
def test_a_row_has_a_new_salt_each_time(row: dict[str, Any]) -> None:
    (salt, digest), (other_salt, other_digest) = salted_row_digest(**row), salted_row_digest(**row)
    assert (len(salt), len(digest)) == (16, 64), "128 bits of salt, 256 of digest"
    assert (salt, digest) != (other_salt, other_digest)
    assert salt != other_salt
    assert digest != other_digest


@given(st.text(st.characters(codec="utf-8")))
def test_a_text_has_the_sha256_of_salt_and_text_and_a_new_salt_each_time(text: str) -> None:
    (salt, digest), (other_salt, other_digest) = salted_text_digest(text), salted_text_digest(text)
    assert salt is not None
    assert len(salt) == 16
    assert digest == hashlib.sha256(salt + text.encode()).hexdigest()
    assert salt != other_salt
    assert digest != other_digest


def test_a_missing_text_has_no_salt_and_no_digest() -> None:
    assert salted_text_digest(None) == (None, None)
