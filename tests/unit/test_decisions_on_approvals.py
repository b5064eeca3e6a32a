"""Decisions on approvals as functions of values (R3): the deciders of a request, and the postings that become one."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.accounts.limits import is_raised
from bank.approvals.approve import Approve, decide_approval
from bank.clock import business_day
from bank.events.types.approvals import ApprovalApprovedEvent, ApprovalRequestedEvent
from bank.idempotency.outcomes import ApprovalReceipt, Receipt
from bank.ledger.approval_policy import STAFF as STAFF_ROLES
from bank.ledger.approval_policy import Approval, EndApproval, check_decider, check_requester, refusal_of
from bank.ledger.model import LedgerView, Posting
from bank.ledger.policy import CASH_ACCOUNTS, FEE_ACCOUNTS
from bank.refusal import Refusal
from bank.transfers.withdraw import SubmitWithdrawal, decide_withdrawal, submit_withdrawal
from tests.unit.in_memory_ledger import ANA, ANAS, BIA, NOW, STAFF, TERMS, InMemoryLedger, account, refused

OTHER, ADMIN = UUID(int=4), UUID(int=5)
ROLES = {STAFF: "OPERATOR", OTHER: "OPERATOR", ADMIN: "ADMIN", ANA: "CUSTOMER"}
LIMITED = msgspec.structs.replace(TERMS, approval_above_minor=1_000)


def asked(**more: Any) -> Approval:
    """Return a request of the staff for a withdrawal of 10.01 from Ana's account, with changes."""
    given: dict[str, Any] = {
        "id": UUID(int=90), "kind": "WITHDRAWAL", "account_id": ANAS, "amount_minor": 1_001, "currency": "BRL",
        "requested_by": STAFF, "requested_at": NOW, "expires_at": NOW + timedelta(hours=1),
    }  # fmt: skip
    return Approval(**given | more)


def code(refusal: Refusal | None) -> str | None:
    return refusal.code if refusal else None


@pytest.mark.parametrize(
    ("by", "changes", "expected"),
    [
        (OTHER, {}, None),
        (ADMIN, {}, None),
        (STAFF, {}, "OWN_REQUEST"),
        (ANA, {}, "FORBIDDEN"),
        (BIA, {}, "FORBIDDEN"),
        (OTHER, {"kind": "ACCOUNT_LIMITS"}, "FORBIDDEN"),
        (ADMIN, {"kind": "ACCOUNT_LIMITS"}, None),
        (OTHER, {"kind": "ROLE", "subject_id": ANA}, "FORBIDDEN"),
        (ADMIN, {"kind": "ROLE", "subject_id": ANA}, None),
        (ADMIN, {"kind": "ROLE", "subject_id": ADMIN}, "OWN_REQUEST"),
        (OTHER, {"status": "APPROVED"}, "ALREADY_DECIDED"),
        (OTHER, {"status": "REJECTED"}, "ALREADY_DECIDED"),
        (OTHER, {"status": "EXPIRED"}, "APPROVAL_EXPIRED"),
        (OTHER, {"expires_at": NOW}, "APPROVAL_EXPIRED"),
        (OTHER, {"expires_at": NOW + timedelta(microseconds=1)}, None),
    ],
)
def test_a_decider_is_another_member_of_staff_in_time(by: UUID, changes: dict[str, Any], expected: str | None) -> None:
    approval = asked(**changes)
    assert code(check_decider(approval, decider_id=by, roles=ROLES, owner_ids={ANA}, now=NOW)) == expected


@given(st.sampled_from([STAFF, OTHER, ADMIN, ANA]), st.sets(st.sampled_from([ANA, OTHER, ADMIN])), st.data())
def test_nobody_decides_about_themselves(by: UUID, owner_ids: set[UUID | None], data: st.DataObject) -> None:
    approval = asked(
        kind=data.draw(st.sampled_from(["DEPOSIT", "WITHDRAWAL", "REVERSAL", "ACCOUNT_LIMITS", "ROLE"])),
        subject_id=data.draw(st.none() | st.sampled_from([ANA, OTHER, ADMIN])),
        requested_by=data.draw(st.sampled_from([STAFF, OTHER, ADMIN])),
    )
    roles = data.draw(st.dictionaries(st.sampled_from(sorted(ROLES)), st.sampled_from([*STAFF_ROLES, "CUSTOMER"])))
    if check_decider(approval, decider_id=by, roles=roles, owner_ids=owner_ids, now=NOW) is None:
        assert by not in {approval.requested_by, approval.subject_id, *owner_ids}
        assert roles[by] in STAFF_ROLES


def test_an_unknown_request_is_decided_by_nobody() -> None:
    refusal = check_decider(None, decider_id=ADMIN, roles=ROLES, owner_ids=(), now=NOW)
    assert code(refusal) == "APPROVAL_NOT_FOUND"


@pytest.mark.parametrize(
    ("kind", "role", "expected"),
    [
        ("WITHDRAWAL", "OPERATOR", None),
        ("WITHDRAWAL", "CUSTOMER", "REQUESTER_NOT_ALLOWED"),
        ("ROLE", "ADMIN", None),
        ("ROLE", "OPERATOR", "REQUESTER_NOT_ALLOWED"),
    ],
)
def test_a_requester_still_needs_the_role(kind: str, role: str, expected: str | None) -> None:
    assert code(check_requester(asked(kind=kind), {STAFF: role})) == expected


def test_a_requester_who_is_gone_has_no_role() -> None:
    assert code(check_requester(asked(), {})) == "REQUESTER_NOT_ALLOWED"


def test_the_refusal_of_a_request_is_the_end_without_effect() -> None:
    assert refusal_of(asked()) is None
    assert refusal_of(asked(status="APPROVED")) is None
    assert code(refusal_of(asked(status="REJECTED"))) == "APPROVAL_REJECTED"
    assert code(refusal_of(asked(status="EXPIRED"))) == "APPROVAL_EXPIRED"
    refused_later = asked(status="APPROVED", refusal_code="ACCOUNT_FROZEN", refusal_message="It is frozen.")
    assert refusal_of(refused_later) == Refusal(code="ACCOUNT_FROZEN", message="It is frozen.")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, None, False), (None, 100, False), (None, 101, True), (50, 100, False), (50, 101, True),
        (200, 150, False), (200, 200, False), (200, 201, True), (200, None, False),
    ],
)  # fmt: skip
def test_a_limit_is_raised_above_the_banks_and_above_the_one_before(
    old: int | None, new: int | None, expected: bool
) -> None:
    assert is_raised(old, new, 100) is expected


async def withdraw(ledger: InMemoryLedger, amount: str, **more: Any) -> Any:
    given = {"caller_id": STAFF, "owner_id": None, "key": "k", "from_number": "number-11", "from_id": ANAS}
    command = SubmitWithdrawal(**{**given, "amount": amount, "currency": "BRL", **more})
    return await submit_withdrawal(ledger, LIMITED, command)  # type: ignore[arg-type]  # in memory


async def test_a_large_withdrawal_by_staff_is_only_a_request() -> None:
    ledger = InMemoryLedger()
    outcome = await withdraw(ledger, "10.01", description="a car")
    assert isinstance(outcome.result, ApprovalReceipt)
    assert (ledger.batch.posted, ledger.batch.changed) == ([], [])
    [approval] = ledger.batch.approvals
    assert approval == asked(id=approval.id, description="a car", expires_at=NOW + timedelta(hours=24))
    [event] = ledger.other_events
    assert isinstance(event, ApprovalRequestedEvent)
    assert (event.approval_id, event.user_id, event.amount_minor) == (approval.id, STAFF, 1_001)
    [key] = ledger.batch.keys
    assert f'"approval":{{"id":"{approval.id}"}}' in key[4]


@pytest.mark.parametrize(
    ("amount", "more"),
    [("10.00", {}), ("10.01", {"caller_id": ANA, "owner_id": ANA}), ("10.01", {"caller_id": ANA})],
)
async def test_a_withdrawal_up_to_the_limit_or_from_an_own_account_is_made(amount: str, more: dict[str, Any]) -> None:
    assert isinstance((await withdraw(InMemoryLedger(), amount, **more)).result, Receipt)


async def test_an_uncovered_request_is_refused() -> None:
    assert refused(await withdraw(InMemoryLedger(account(ANAS, ANA, 1_000)), "10.01"))[0] == "INSUFFICIENT_FUNDS"


def approving(by: UUID, ledger: InMemoryLedger, approval: Approval) -> Any:
    """Return the decision on an approval of a withdrawal with a fee of 1.00."""
    asked_for = SubmitWithdrawal(
        caller_id=STAFF, owner_id=None, key="", from_number="", from_id=ANAS, amount="10.01", currency="BRL"
    )
    terms = msgspec.structs.replace(LIMITED, withdrawal_fee_minor=100)
    decide = decide_approval(
        Approve(caller_id=by, key="k", approval_id=approval.id), decide_withdrawal(asked_for, 1_001, terms)
    )
    return decide(
        LedgerView(ledger.accounts, {}, {}, NOW, business_day(NOW), {approval.id: approval}, ROLES)
    )  # fmt: skip


def test_an_approval_has_the_postings_of_the_requester() -> None:
    end, withdrawal, fee = approving(OTHER, InMemoryLedger(), asked())
    assert end == EndApproval(approval_id=asked().id)
    assert [(posting.kind, posting.initiated_by) for posting in (withdrawal, fee)] == [
        ("WITHDRAWAL", STAFF),
        ("FEE", STAFF),
    ]
    assert isinstance(withdrawal, Posting)
    assert (withdrawal.debit_id, withdrawal.credit_id, fee.credit_id) == (
        ANAS,
        CASH_ACCOUNTS["BRL"],
        FEE_ACCOUNTS["BRL"],
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"balance_minor": 1_100}, "INSUFFICIENT_FUNDS"), ({"status": "FROZEN"}, "ACCOUNT_FROZEN")],
)
def test_a_refused_execution_ends_the_request(change: dict[str, Any], expected: str) -> None:
    """1,100 covers the withdrawal, but not its fee."""
    ledger = InMemoryLedger(msgspec.structs.replace(account(ANAS, ANA, 100_000), **change))
    [end] = approving(OTHER, ledger, asked())
    assert end.refusal.code == expected


@pytest.mark.parametrize("by", [STAFF, ANA, BIA])
def test_a_wrong_decider_ends_nothing(by: UUID) -> None:
    assert isinstance(approving(by, InMemoryLedger(), asked()), Refusal)


def test_an_approved_event_names_both_people() -> None:
    event = ApprovalApprovedEvent(
        approval_id=UUID(int=1), kind="ROLE", account_id=None, subject_id=ANA, requested_by=STAFF, initiated_by=ADMIN
    )
    assert (event.user_id, event.requested_by) == (ADMIN, STAFF)
