"""Approval of a request: what was asked for is executed in the same transaction, once (R2, R12).

Postings are decided by the ledger's batch, so that they follow all rules of the moment of the approval. If one of them
refuses the posting, the refusal is the outcome of the approval.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from bank.accounts.cached import AccountCache
from bank.approvals.approve_change import approve_change
from bank.approvals.reads import find_approval
from bank.cache.session_marks import SessionMarks
from bank.database.pool import Database
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.idempotency.digests import request_digest
from bank.idempotency.keys import check_key
from bank.idempotency.outcomes import Outcome
from bank.ledger.approval_policy import Approval, EndApproval, check_decider, check_requester, no_approval
from bank.ledger.approvals import postings_of
from bank.ledger.model import Command, Decide, LedgerView, Step, check_postings
from bank.ledger.policy import CASH_ACCOUNTS, FEE_ACCOUNTS
from bank.ledger.post import Ledger
from bank.ledger.refuse import InvalidRequest
from bank.ledger.terms import Terms
from bank.money import format_amount
from bank.refusal import Refusal
from bank.telemetry.context import current_context
from bank.transfers.deposit import SubmitDeposit, decide_deposit
from bank.transfers.reads import transaction_accounts
from bank.transfers.reverse import Reverse, decide_reversal
from bank.transfers.withdraw import SubmitWithdrawal, decide_withdrawal

OPERATION = "approve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approve:
    """Approve a request that another member of staff made."""

    caller_id: UUID
    key: str
    approval_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """The use case of approving, with the parts of the bank that execute what was asked for."""

    uow_factory: UnitOfWorkFactory
    database: Database
    ledger: Ledger
    terms: Terms
    accounts: AccountCache
    marks: SessionMarks

    async def approve(self, command: Approve) -> Outcome:
        """Approve and execute a request, once per idempotency key and once per request.

        Raises the errors of `Ledger.post` and of `UnitOfWorkFactory.begin`.
        """
        if refusal := check_key(command.key):
            return await InvalidRequest(self.ledger, OPERATION, command.caller_id, ()).refuse(refusal)
        # What was asked for never changes, so that it may be read before the transaction.
        approval = await find_approval(self.database, command.approval_id)
        digest = request_digest(str(command.approval_id))
        if approval is not None and not approval.moves_money:
            done = await approve_change(
                self.uow_factory, approval.id, caller_id=command.caller_id, key=command.key, digest=digest
            )
            await self.marks.close(done.closed_sessions)
            if done.account is not None:
                # Before the response, so that the next read shows the change (R11).
                await self.accounts.write_through([done.account])
            return done.outcome
        accounts, decide = ((), _refuse_unknown) if approval is None else await self._posting(approval)
        return await self.ledger.post(
            Command(
                caller_id=command.caller_id,
                key=command.key,
                operation=OPERATION,
                digest=digest,
                account_ids=accounts,
                original_ids=(approval.original_id,) if approval and approval.original_id else (),
                approval_ids=(command.approval_id,),
                decide=(decide_approval(command, decide),),
                context=current_context(),
            )
        )

    async def _posting(self, approval: Approval) -> tuple[tuple[UUID, ...], Decide]:
        """Return the accounts and the decision of a request that moves money."""
        assert approval.account_id is not None
        assert approval.amount_minor is not None
        assert approval.currency is not None
        cash, fees = CASH_ACCOUNTS[approval.currency], FEE_ACCOUNTS[approval.currency]
        shared: dict[str, Any] = {"caller_id": approval.requested_by, "key": "", "description": approval.description}
        money: dict[str, Any] = {
            "amount": format_amount(approval.amount_minor, approval.currency),
            "currency": approval.currency,
        }
        if approval.kind == "DEPOSIT":
            deposit = SubmitDeposit(**shared, **money, to_number="", to_id=approval.account_id)
            return (approval.account_id, cash), decide_deposit(deposit, approval.amount_minor)
        if approval.kind == "WITHDRAWAL":
            withdrawal = SubmitWithdrawal(**shared, **money, owner_id=None, from_number="", from_id=approval.account_id)
            decide = decide_withdrawal(withdrawal, approval.amount_minor, self.terms)
            return (approval.account_id, cash, fees), decide
        assert approval.original_id is not None
        reversal = Reverse(
            caller_id=approval.requested_by,
            owner_id=None,
            key="",
            transaction_id=approval.original_id,
            reason=approval.description,
            **money,
        )
        accounts, _ = await transaction_accounts(self.database, approval.original_id)
        return accounts, decide_reversal(reversal, approval.amount_minor)


def decide_approval(command: Approve, decide: Decide) -> Decide:
    """Return the decision on an approval: the end of the request, and the postings of `decide` or its refusal."""

    def decide_both(view: LedgerView) -> tuple[Step, ...] | Refusal:
        approval = view.approvals.get(command.approval_id)
        # The owners of all accounts of the posting, so that nobody decides about their own money.
        owners = {account.user_id for account in view.accounts.values() if account.id in _concerned(approval, view)}
        if refusal := check_decider(
            approval, decider_id=command.caller_id, roles=view.roles, owner_ids=owners, now=view.now
        ):
            return refusal
        assert approval is not None
        if refusal := check_requester(approval, view.roles):
            return refusal
        decision = decide(view)
        postings = () if isinstance(decision, Refusal) else postings_of(decision)
        refused = decision if isinstance(decision, Refusal) else check_postings(postings, view.accounts, view.today)
        if refused:
            return (EndApproval(approval_id=approval.id, refusal=refused),)
        requested = [msgspec.structs.replace(posting, initiated_by=approval.requested_by) for posting in postings]
        return (EndApproval(approval_id=approval.id), *requested)

    return decide_both


def _concerned(approval: Approval | None, view: LedgerView) -> set[UUID | None]:
    if approval is None:
        return set()
    original = view.originals.get(approval.original_id) if approval.original_id else None
    return {approval.account_id, *((original.debit_id, original.credit_id) if original else ())}


def _refuse_unknown(_view: LedgerView) -> Refusal:
    return no_approval()
