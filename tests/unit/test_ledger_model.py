"""The decisions of the ledger, for any values: money is conserved, and only accounts of the bank go below zero."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from bank.idempotency.outcomes import Outcome, Receipt
from bank.identifiers import uuid7
from bank.ledger.batch import Batch
from bank.ledger.model import Account, Command, Posting, apply_posting
from bank.refusal import Refusal

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TODAY = NOW.date()
CASH = UUID(int=1)
PEOPLE = [UUID(int=number) for number in range(2, 6)]
CALLER = UUID(int=99)


def account(account_id: UUID, balance_minor: int = 0, *, kind: str = "CUSTOMER", status: str = "ACTIVE") -> Account:
    user = CALLER if kind == "CUSTOMER" else None
    return Account(account_id, user, kind, f"n{account_id.int}", "BRL", status, balance_minor, 0, NOW)


def post(debit: UUID, credit: UUID, amount_minor: int) -> Posting:
    return Posting(kind="TRANSFER", debit_id=debit, credit_id=credit, amount_minor=amount_minor, currency="BRL")


ids = st.sampled_from([CASH, *PEOPLE])
postings = st.tuples(ids, ids, st.integers(1, 1_000)).filter(lambda drawn: drawn[0] != drawn[1])


@given(st.lists(postings, max_size=40))
def test_any_sequence_of_postings_conserves_money_without_overdrafts(drawn: list[tuple[UUID, UUID, int]]) -> None:
    accounts = {CASH: account(CASH, kind="CASH"), **{id_: account(id_, 500) for id_ in PEOPLE}}
    total_minor = sum(one.balance_minor for one in accounts.values())
    for debit, credit, amount_minor in drawn:
        before = dict(accounts)
        entered = apply_posting(post(debit, credit, amount_minor), accounts, TODAY)
        if isinstance(entered, Refusal):
            assert entered.code == "INSUFFICIENT_FUNDS"
            assert before[debit].balance_minor < amount_minor
            continue
        for one in entered:
            accounts[one.id] = one
        assert accounts[debit].version == before[debit].version + 1
        assert accounts[credit].balance_minor == before[credit].balance_minor + amount_minor
    assert sum(one.balance_minor for one in accounts.values()) == total_minor
    assert all(one.balance_minor >= 0 for one in accounts.values() if one.kind == "CUSTOMER")


def _command(key: str, posting: Posting, digest: bytes) -> Command:
    return Command(
        caller_id=CALLER,
        key=key,
        operation="transfer",
        digest=digest,
        account_ids=(posting.debit_id, posting.credit_id),
        decide=(lambda _books: posting,),
    )


@given(st.lists(st.tuples(st.sampled_from("abc"), postings), max_size=30))
def test_a_batch_has_one_effect_and_one_answer_for_each_key(drawn: list[tuple[str, tuple[UUID, UUID, int]]]) -> None:
    batch = Batch({CASH: account(CASH, kind="CASH"), **{id_: account(id_, 500) for id_ in PEOPLE}}, {}, NOW)
    first: dict[str, tuple[bytes, Any]] = {}
    for key, (debit, credit, amount_minor) in drawn:
        digest = f"{debit}{credit}{amount_minor}".encode()
        outcome = batch.decide(_command(key, post(debit, credit, amount_minor), digest))
        assert isinstance(outcome, Outcome)
        if key not in first:
            first[key] = (digest, outcome.result)
            assert not outcome.replayed
        elif first[key][0] == digest:
            assert outcome == Outcome(first[key][1], replayed=True)
        else:
            assert isinstance(outcome.result, Refusal)
            assert outcome.result.code == "IDEMPOTENCY_KEY_REUSED"
    moved = [result for _, result in first.values() if isinstance(result, Receipt)]
    assert len(batch.posted) == len(moved)
    assert len(batch.keys) == len(first)


@given(st.sampled_from(["FROZEN", "CLOSED"]), st.booleans())
def test_an_inactive_account_neither_pays_nor_receives(status: str, is_debit: bool) -> None:
    closed, other = uuid7(), uuid7()
    accounts = {closed: account(closed, 500, status=status), other: account(other, 500)}
    posting = post(closed, other, 1) if is_debit else post(other, closed, 1)
    refusal = apply_posting(posting, accounts, TODAY)
    assert isinstance(refusal, Refusal)
    assert refusal.code == f"ACCOUNT_{status}"
