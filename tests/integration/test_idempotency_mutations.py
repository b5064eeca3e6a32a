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
class Scene:
    """A user with money, staff, a transaction of 10.00 to reverse and a hold of 10.00 to end."""

    payer: Payer
    staff: Client
    transaction_id: str = ""
    hold_id: str = ""

    def client(self, mutation: "Keyed") -> Client:
        return self.staff if mutation.is_for_staff else self.payer.client

    async def send(self, mutation: "Keyed", content: Input) -> dict[str, Any]:
        reply = await self.client(mutation).run(mutation.operation, input=content)
        payload: dict[str, Any] = next(iter(reply.data.values()))
        return payload


@pytest.fixture
async def scene(running_bank: RunningBank) -> Scene:
    scene = Scene(await payer_at(running_bank), await running_bank.staff())
    deposited = await scene.staff.deposit(scene.payer.first["number"], "10.00", "to reverse")
    scene.transaction_id = deposited["transaction"]["id"]
    scene.hold_id = (await scene.send(AUTHORIZE, AUTHORIZE.content(scene, "to end")))["hold"]["id"]
    return scene


def money(amount: str = "10.00") -> Input:
    return {"amount": amount, "currency": "BRL"}


def transfer(scene: Scene) -> Input:
    accounts = {"fromAccountId": scene.payer.first["id"], "toAccountNumber": scene.payer.second["number"]}
    return {**accounts, "amount": money(), "description": "rent"}


def teller(scene: Scene) -> Input:
    return {"accountNumber": scene.payer.first["number"], "amount": money()}


# A midnight within the thirty days that a hold may last.
NEXT_WEEK = (datetime.now(UTC) + timedelta(days=7)).strftime("%Y-%m-%dT00:00:00Z")


@dataclass
class Keyed:
    """A mutation with a key: a valid request, an equal one with other spellings, and a different one."""

    operation: str
    make: Callable[[Scene], Input]
    respell: Callable[[Input], None]
    change: Callable[[Input], None] | None
    wrong: Callable[[Input], None] | None
    is_for_staff: bool = False

    def content(self, scene: Scene, key: str, change: Callable[[Input], None] | None = None) -> Input:
        content = copy.deepcopy({"idempotencyKey": key, **self.make(scene)})
        if change is not None:
            change(content)
        return content


def shorter(content: Input) -> None:
    content["amount"] = {"currency": "BRL", "amount": "10"}


def more(content: Input) -> None:
    content["amount"]["amount"] = "10.01"


def too_precise(content: Input) -> None:
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


AUTHORIZE = Keyed("AuthorizeHold", transfer, shorter, more, too_precise)
MUTATIONS = [
    Keyed("OpenAccount", lambda _: {"currency": "BRL"}, lambda _: None, None, lambda c: c.update(currency="USD")),
    Keyed("Transfer", transfer, shorter, more, too_precise),
    Keyed("Deposit", teller, shorter, more, too_precise, is_for_staff=True),
    Keyed("Withdraw", teller, shorter, more, too_precise, is_for_staff=True),
    Keyed(
        "TransferBatch",
        lambda scene: {"transfers": [transfer(scene), transfer(scene)]},
        _batch_respelled,
        lambda content: content.update(atomic=False),
        lambda content: too_precise(content["transfers"][1]),
    ),
    AUTHORIZE,
    Keyed(
        "AuthorizeHold",
        lambda scene: {**transfer(scene), "expiresAt": NEXT_WEEK},
        _in_another_zone,
        _an_hour_later,
        lambda content: content.update(description="x" * 141),
    ),
    Keyed(
        "CaptureHold",
        lambda scene: {"holdId": scene.hold_id, "amount": money()},
        shorter,
        lambda content: content.update(amount=money("9.00")),
        too_precise,
    ),
    Keyed("CaptureHold", lambda scene: {"holdId": scene.hold_id}, upper("holdId"), None, None),
    Keyed("ReleaseHold", lambda scene: {"holdId": scene.hold_id}, upper("holdId"), None, None),
    Keyed(
        "ReverseTransaction",
        lambda scene: {"transactionId": scene.transaction_id, "amount": money()},
        shorter,
        lambda content: content.update(amount=money("9.00")),
        too_precise,
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
    assert keyed == {mutation.operation for mutation in MUTATIONS}


@each_mutation
async def test_a_repetition_with_any_spelling_has_the_first_answer(scene: Scene, mutation: Keyed) -> None:
    first = await scene.send(mutation, mutation.content(scene, "k"))
    assert (codes(first), first["replayed"]) == ([], False)
    await scene.staff.deposit(scene.payer.first["number"], "1.00", "meanwhile")
    for content in (mutation.content(scene, "k"), mutation.content(scene, "k", mutation.respell)):
        again = await scene.send(mutation, content)
        assert (again["replayed"], without_mark(again)) == (True, without_mark(first))


@each_mutation
async def test_the_same_key_with_other_content_is_refused(scene: Scene, mutation: Keyed) -> None:
    await scene.send(mutation, mutation.content(scene, "k"))
    other = MUTATIONS[0] if mutation.operation != "OpenAccount" else MUTATIONS[1]
    client = scene.client(mutation)
    opened = await client.run(other.operation, input=other.content(scene, "k"))
    assert codes(next(iter(opened.data.values()))) == ["IDEMPOTENCY_KEY_REUSED"]
    if mutation.change is not None:
        payload = await scene.send(mutation, mutation.content(scene, "k", mutation.change))
        assert codes(payload) == ["IDEMPOTENCY_KEY_REUSED"]
        assert payload["replayed"] is False


@each_mutation
async def test_malformed_keys_and_invalid_requests_are_refused_and_not_stored(
    scene: Scene, running_bank: RunningBank, mutation: Keyed
) -> None:
    for key in ("", "x" * 256, "tab\there"):
        payload = await scene.send(mutation, mutation.content(scene, key))
        assert (codes(payload), payload["replayed"]) == (["INVALID_INPUT"], False)
        assert payload["userErrors"][0]["field"] == ["input", "idempotencyKey"]
    if mutation.wrong is not None:
        payload = await scene.send(mutation, mutation.content(scene, "k", mutation.wrong))
        assert (len(codes(payload)), payload["replayed"]) == (1, False)
    assert await keys_of(running_bank, "", "x" * 256, "tab\there", "k") == set()
    assert not (await scene.send(mutation, mutation.content(scene, "k")))["replayed"]


@each_mutation
async def test_a_request_without_a_key_or_a_token_has_no_effect_and_is_not_stored(
    scene: Scene, running_bank: RunningBank, mutation: Keyed
) -> None:
    content = mutation.content(scene, "k")
    nobody = await running_bank.client.run(mutation.operation, input=content)
    del content["idempotencyKey"]
    keyless = await scene.client(mutation).run(mutation.operation, input=content)
    assert (nobody.code, keyless.code) == ("UNAUTHENTICATED", "BAD_INPUT")
    assert await keys_of(running_bank, "k") == set()
    assert not (await scene.send(mutation, mutation.content(scene, "k")))["replayed"]
