"""The guarantees of idempotency keys hold for every mutation with a key."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import graphql
import pytest

from bank.api.schema import load_sdl
from tests.integration.api import Client, RunningBank
from tests.integration.payers import Payer, codes, keys_of, payer_at, without_mark

Input = dict[str, Any]


@dataclass
class Participants:
    """A user with money, staff, a transaction of 10.00 to reverse and a hold of 10.00 to end."""

    payer: Payer
    staff: Client
    transaction_id: str = ""
    hold_id: str = ""

    def client(self, mutation: "KeyedMutation") -> Client:
        return self.staff if mutation.is_for_staff else self.payer.client

    async def send(self, mutation: "KeyedMutation", content: Input) -> dict[str, Any]:
        reply = await self.client(mutation).run(mutation.operation, input=content)
        payload: dict[str, Any] = next(iter(reply.data.values()))
        return payload


@pytest.fixture
async def participants(running_bank: RunningBank) -> Participants:
    participants = Participants(await payer_at(running_bank), await running_bank.staff())
    deposited = await participants.staff.deposit(participants.payer.first["number"], "10.00", "to reverse")
    participants.transaction_id = deposited["transaction"]["id"]
    participants.hold_id = (await participants.send(AUTHORIZE, AUTHORIZE.content(participants, "to end")))["hold"]["id"]
    return participants


def money(amount: str = "10.00") -> Input:
    return {"amount": amount, "currency": "BRL"}


def transfer_input(participants: Participants) -> Input:
    accounts = {"fromAccountId": participants.payer.first["id"], "toAccountNumber": participants.payer.second["number"]}
    return {**accounts, "amount": money(), "description": "rent"}


def cash_input(participants: Participants) -> Input:
    return {"accountNumber": participants.payer.first["number"], "amount": money()}


# A midnight within the thirty days that a hold may last.
NEXT_WEEK = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT00:00:00Z")


@dataclass
class KeyedMutation:
    """A mutation with a key: a valid request, an equal one with other spellings, and a different one."""

    operation: str
    make: Callable[[Participants], Input]
    respell: Callable[[Input], None]
    change: Callable[[Input], None] | None
    wrong: Callable[[Input], None] | None
    is_for_staff: bool = False

    def content(self, participants: Participants, key: str, change: Callable[[Input], None] | None = None) -> Input:
        content = copy.deepcopy({"idempotencyKey": key, **self.make(participants)})
        if change is not None:
            change(content)
        return content


def shorter(content: Input) -> None:
    content["amount"] = {"currency": "BRL", "amount": "10"}


def more(content: Input) -> None:
    content["amount"]["amount"] = "10.01"


def with_three_decimals(content: Input) -> None:
    content["amount"]["amount"] = "10.001"


def upper(name: str) -> Callable[[Input], None]:
    return lambda content: content.update({name: content[name].upper()})


def _in_another_zone(content: Input) -> None:
    shorter(content)
    content["expiresAt"] = content["expiresAt"].replace("T00:00:00Z", "T03:00:00.000+03:00")


def _an_hour_later(content: Input) -> None:
    content["expiresAt"] = content["expiresAt"].replace("T00", "T01")


def _batch_respelled(content: Input) -> None:
    content["atomic"] = True
    shorter(content["transfers"][1])


AUTHORIZE = KeyedMutation("AuthorizeHold", transfer_input, shorter, more, with_three_decimals)
MUTATIONS = [
    KeyedMutation(
        "OpenAccount", lambda _: {"currency": "BRL"}, lambda _: None, None, lambda c: c.update(currency="USD")
    ),
    KeyedMutation("Transfer", transfer_input, shorter, more, with_three_decimals),
    KeyedMutation("Deposit", cash_input, shorter, more, with_three_decimals, is_for_staff=True),
    KeyedMutation("Withdraw", cash_input, shorter, more, with_three_decimals, is_for_staff=True),
    KeyedMutation(
        "TransferBatch",
        lambda participants: {"transfers": [transfer_input(participants), transfer_input(participants)]},
        _batch_respelled,
        lambda content: content.update(atomic=False),
        lambda content: with_three_decimals(content["transfers"][1]),
    ),
    AUTHORIZE,
    KeyedMutation(
        "AuthorizeHold",
        lambda participants: {**transfer_input(participants), "expiresAt": NEXT_WEEK},
        _in_another_zone,
        _an_hour_later,
        lambda content: content.update(description="x" * 141),
    ),
    KeyedMutation(
        "CaptureHold",
        lambda participants: {"holdId": participants.hold_id, "amount": money()},
        shorter,
        lambda content: content.update(amount=money("9.00")),
        with_three_decimals,
    ),
    KeyedMutation("CaptureHold", lambda participants: {"holdId": participants.hold_id}, upper("holdId"), None, None),
    KeyedMutation("ReleaseHold", lambda participants: {"holdId": participants.hold_id}, upper("holdId"), None, None),
    KeyedMutation(
        "ReverseTransaction",
        lambda participants: {"transactionId": participants.transaction_id, "amount": money()},
        shorter,
        lambda content: content.update(amount=money("9.00")),
        with_three_decimals,
        is_for_staff=True,
    ),
]
each_mutation = pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.operation)


def test_the_cases_cover_every_mutation_with_a_key() -> None:
    schema = graphql.build_schema(load_sdl())
    assert schema.mutation_type is not None
    keyed = set()
    for name, definition in schema.mutation_type.fields.items():
        given = [graphql.get_named_type(argument.type) for argument in definition.args.values()]
        if any("idempotencyKey" in one.fields for one in given if isinstance(one, graphql.GraphQLInputObjectType)):
            keyed.add(name[0].upper() + name[1:])
    # An approval needs a request of somebody else: `test_approvals_of_money` and `test_approvals_of_changes`.
    assert keyed - {"Approve"} == {mutation.operation for mutation in MUTATIONS}


@each_mutation
async def test_a_repetition_with_any_spelling_has_the_first_answer(
    participants: Participants, mutation: KeyedMutation
) -> None:
    first = await participants.send(mutation, mutation.content(participants, "k"))
    assert (codes(first), first["replayed"]) == ([], False)
    await participants.staff.deposit(participants.payer.first["number"], "1.00", "meanwhile")
    for content in (mutation.content(participants, "k"), mutation.content(participants, "k", mutation.respell)):
        again = await participants.send(mutation, content)
        assert (again["replayed"], without_mark(again)) == (True, without_mark(first))


@each_mutation
async def test_the_same_key_with_other_content_is_refused(participants: Participants, mutation: KeyedMutation) -> None:
    await participants.send(mutation, mutation.content(participants, "k"))
    other = MUTATIONS[0] if mutation.operation != "OpenAccount" else MUTATIONS[1]
    client = participants.client(mutation)
    opened = await client.run(other.operation, input=other.content(participants, "k"))
    assert codes(next(iter(opened.data.values()))) == ["IDEMPOTENCY_KEY_REUSED"]
    if mutation.change is not None:
        payload = await participants.send(mutation, mutation.content(participants, "k", mutation.change))
        assert codes(payload) == ["IDEMPOTENCY_KEY_REUSED"]
        assert payload["replayed"] is False


@each_mutation
async def test_malformed_keys_and_invalid_requests_are_refused_and_not_stored(
    participants: Participants, running_bank: RunningBank, mutation: KeyedMutation
) -> None:
    for key in ("", "x" * 256, "tab\there"):
        payload = await participants.send(mutation, mutation.content(participants, key))
        assert (codes(payload), payload["replayed"]) == (["INVALID_INPUT"], False)
        assert payload["userErrors"][0]["field"] == ["input", "idempotencyKey"]
    if mutation.wrong is not None:
        payload = await participants.send(mutation, mutation.content(participants, "k", mutation.wrong))
        assert (len(codes(payload)), payload["replayed"]) == (1, False)
    assert await keys_of(running_bank, "", "x" * 256, "tab\there", "k") == set()
    assert not (await participants.send(mutation, mutation.content(participants, "k")))["replayed"]


@each_mutation
async def test_a_request_without_a_key_or_a_token_has_no_effect_and_is_not_stored(
    participants: Participants, running_bank: RunningBank, mutation: KeyedMutation
) -> None:
    content = mutation.content(participants, "k")
    nobody = await running_bank.client.run(mutation.operation, input=content)
    del content["idempotencyKey"]
    keyless = await participants.client(mutation).run(mutation.operation, input=content)
    assert (nobody.code, keyless.code) == ("UNAUTHENTICATED", "BAD_INPUT")
    assert await keys_of(running_bank, "k") == set()
    assert not (await participants.send(mutation, mutation.content(participants, "k")))["replayed"]
