"""Detection of suspicious activity: decisions as functions of values, one for each rule (`bank.security.rules`)."""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bank.events.types.suspicious_activity import ACCOUNT, NETWORK, USER, SuspiciousActivityDetectedEvent
from bank.security.rules import CashOut, CredentialStuffing, MassRegistration, PaymentRule, Rules, Structuring

FAILED_LOGIN, REGISTRATION, NEW_DEVICE, CREDENTIAL_CHANGE = (
    "FAILED_LOGIN",
    "REGISTRATION",
    "NEW_DEVICE",
    "CREDENTIAL_CHANGE",
)
"""The kinds of observations."""

# An event names as many others. They show what happened, and the log has the rest.
NAMED_MAX = 20

Detected = Iterator[SuspiciousActivityDetectedEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """An event that a rule may need later. `network` is a keyed digest; without a user, `address_digest` is set."""

    position: int
    kind: str
    at: datetime
    network: bytes | None
    user_id: UUID | None
    address_digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment of a customer. `version` is the number of its entry in the account.

    `active_at` is the last time before it at which the account paid, or was opened.
    """

    position: int
    transaction_id: UUID
    at: datetime
    account_id: UUID
    version: int
    owner_id: UUID
    customer_since: datetime
    amount_minor: int
    currency: str
    balance_before_minor: int
    active_at: datetime


@dataclass(frozen=True, slots=True)
class SmallPayment:
    """A payment in the range of amounts of the rule `structuring`."""

    transaction_id: UUID
    recipient_id: UUID
    amount_minor: int
    at: datetime


def network_id(digest: bytes) -> UUID:
    """Return the id of a network from its keyed digest."""
    return UUID(bytes=digest[:16])


def find_stuffing(rule: CredentialStuffing, failures: Sequence[Observation], new: Collection[int]) -> Detected:
    """Find failed logins of many accounts. `failures` are of one network, in log order; `new` are new positions.

    Attempts for one account count once, because a person who has forgotten the password makes many.
    """
    for found, accounts in _bursts(rule, failures, new):
        if accounts >= rule.accounts:
            yield _of_network("credential_stuffing", rule, found, accounts)


def find_registrations(rule: MassRegistration, registrations: Sequence[Observation], new: Collection[int]) -> Detected:
    """Find many registrations. They are of one network, in log order; `new` are new positions."""
    for found, users in _bursts(rule, registrations, new):
        if users >= rule.registrations:
            yield _of_network("mass_registration", rule, found, users)


def _bursts(
    rule: CredentialStuffing | MassRegistration, observations: Sequence[Observation], new: Collection[int]
) -> Iterator[tuple[Sequence[Observation], int]]:
    """Yield for each new observation those of the window that ends with it, and their number of different accounts."""
    window: deque[Observation] = deque()
    accounts: Counter[UUID | str | None] = Counter()
    for observation in observations:
        window.append(observation)
        accounts[_account(observation)] += 1
        while window[0].at <= observation.at - rule.window_time:
            old = _account(window.popleft())
            accounts[old] -= 1
            if not accounts[old]:
                del accounts[old]
        if observation.position in new:
            yield list(window)[-NAMED_MAX:], len(accounts)


def _account(observation: Observation) -> UUID | str | None:
    return observation.user_id or observation.address_digest


def _of_network(
    name: str, rule: CredentialStuffing | MassRegistration, found: Sequence[Observation], count: int
) -> SuspiciousActivityDetectedEvent:
    network = found[-1].network
    assert network is not None, "only observations of a network are counted"
    return SuspiciousActivityDetectedEvent(
        rule=name,
        subject_type=NETWORK,
        subject_id=network_id(network),
        person_id=None,
        period_begins_at=rule.period_of(found[-1].at),
        count=count,
        amount_minor=None,
        currency=None,
        positions=tuple(observation.position for observation in found),
        transaction_ids=(),
    )


def find_in_payment(rules: Rules, payment: Payment, observations: Sequence[Observation]) -> Detected:
    """Find what makes a payment suspicious. `observations` are new devices and changes of credentials of its owner."""
    earlier = [one for one in observations if one.position < payment.position]
    new_device = rules.new_device_payment
    devices = _recent(new_device, payment, NEW_DEVICE, earlier)
    is_known_customer = payment.customer_since <= payment.at - new_device.window_time
    if devices and is_known_customer and payment.amount_minor >= new_device.amount_minor:
        yield _of_payment("new_device_payment", new_device, USER, payment, devices)
    changes = _recent(rules.cash_out, payment, CREDENTIAL_CHANGE, earlier)
    if changes and _is_cash_out(rules.cash_out, payment):
        yield _of_payment("cash_out", rules.cash_out, USER, payment, changes)
    dormant = rules.dormant_account
    if payment.amount_minor >= dormant.amount_minor and payment.active_at <= payment.at - dormant.window_time:
        yield _of_payment("dormant_account", dormant, ACCOUNT, payment, ())


def _is_cash_out(rule: CashOut, payment: Payment) -> bool:
    is_most = payment.amount_minor * 100 >= payment.balance_before_minor * rule.percent
    return is_most and payment.amount_minor >= rule.amount_minor


def _recent(
    rule: PaymentRule, payment: Payment, kind: str, observations: Sequence[Observation]
) -> Sequence[Observation]:
    return [one for one in observations if one.kind == kind and one.at > payment.at - rule.window_time][-NAMED_MAX:]


def _of_payment(
    name: str, rule: PaymentRule, subject_type: str, payment: Payment, before: Sequence[Observation]
) -> SuspiciousActivityDetectedEvent:
    return SuspiciousActivityDetectedEvent(
        rule=name,
        subject_type=subject_type,
        subject_id=payment.owner_id if subject_type == USER else payment.account_id,
        person_id=payment.owner_id,
        period_begins_at=rule.period_of(payment.at),
        count=1,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        positions=(*(observation.position for observation in before), payment.position),
        transaction_ids=(payment.transaction_id,),
    )


def find_structuring(rule: Structuring, payments: Sequence[SmallPayment], new: Sequence[Payment]) -> Detected:
    """Find many payments to few recipients. `payments` are of one account, in the order of its entries.

    `new` are those of them that were not looked at before.
    """
    order = {payment.transaction_id: number for number, payment in enumerate(payments)}
    for last in new:
        if last.transaction_id not in order:
            continue  # a withdrawal, which has no recipient
        until = payments[: order[last.transaction_id] + 1]
        window = [payment for payment in until if payment.at > last.at - rule.window_time]
        by_recipient: dict[UUID, list[SmallPayment]] = defaultdict(list)
        for payment in window:
            by_recipient[payment.recipient_id].append(payment)
        most = sorted(by_recipient.values(), key=len, reverse=True)[: rule.recipients]
        count = sum(map(len, most))
        total_minor = sum(payment.amount_minor for payments in most for payment in payments)
        if count >= rule.payments and total_minor >= rule.total_minor:
            counted = {payment.transaction_id for payments in most for payment in payments}
            yield SuspiciousActivityDetectedEvent(
                rule="structuring",
                subject_type=ACCOUNT,
                subject_id=last.account_id,
                person_id=last.owner_id,
                period_begins_at=rule.period_of(last.at),
                count=count,
                amount_minor=total_minor,
                currency=last.currency,
                positions=(last.position,),
                transaction_ids=tuple(p.transaction_id for p in window if p.transaction_id in counted)[-NAMED_MAX:],
            )
