"""The evidence for the rules of suspicious activity: stored observations, payments, and what was detected before."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from bank.database.statements import load_statements
from bank.security.detect import CREDENTIAL_CHANGE, NEW_DEVICE, Observation, Payment, SmallPayment
from bank.security.rules import Rules, Structuring

queries = load_statements(__file__, "suspicious_activity.sql")

# The observations of one network that are read: one batch of events, and as many before. An attack that makes more in
# a window has enough different accounts among these.
OBSERVATIONS_MAX = 512
# The observations of one user. A person has a handful of new devices a day.
OF_USER_MAX = 32
# The entries of an account that are read for one payment. More payments of this size in a day are those of a company.
ENTRIES_MAX = 128
# An account that received more than this since its last payment is in use.
CREDITS_MAX = 32

Key = tuple[UUID, str, str]
"""What an event of suspicious activity has alone: its subject, rule and period, the last one as it is stored."""

Group = tuple[bytes, str]
"""A network and a kind of observations."""


async def store_observations(connection: Any, observations: Sequence[Observation]) -> None:
    """Store observations; those of a repeated delivery are stored already."""
    await queries.insert_observations(
        connection,
        positions=[one.position for one in observations],
        kinds=[one.kind for one in observations],
        moments=[one.at for one in observations],
        networks=[one.network for one in observations],
        user_ids=[one.user_id for one in observations],
        address_digests=[one.address_digest for one in observations],
    )


async def observations_of_networks(
    connection: Any, rules: Rules, groups: Mapping[Group, Sequence[Observation]]
) -> Mapping[Group, Sequence[Observation]]:
    """Return the stored observations in the windows that end with new ones, which are given for each group."""
    rows = queries.observations_of_networks(
        connection,
        networks=[network for network, _ in groups],
        kinds=[kind for _, kind in groups],
        since=[min(one.at for one in ones) - rules.of_kind(kind).window_time for (_, kind), ones in groups.items()],
        until=[max(one.position for one in ones) for ones in groups.values()],
        max_rows=OBSERVATIONS_MAX,
    )
    found: dict[Group, list[Observation]] = defaultdict(list)
    async for row in rows:
        found[row["network_digest"], row["kind"]].append(_observation(row))
    return found


async def observations_of_owners(
    connection: Any, rules: Rules, payments: Sequence[Payment]
) -> Mapping[UUID, Sequence[Observation]]:
    """Return the new devices and the changes of credentials of the owners of payments."""
    window = max(rules.new_device_payment.window_time, rules.cash_out.window_time)
    rows = queries.observations_of_users(
        connection,
        user_ids=list({payment.owner_id for payment in payments}),
        kinds=[NEW_DEVICE, CREDENTIAL_CHANGE],
        since=min(payment.at for payment in payments) - window,
        max_rows=OF_USER_MAX,
    )
    found: dict[UUID, list[Observation]] = defaultdict(list)
    async for row in rows:
        found[row["user_id"]].append(_observation(row))
    return found


async def payments_of(connection: Any, positions: Mapping[UUID, int]) -> Sequence[Payment]:
    """Return the payments that customers have made themselves, in log order. `positions` has transactions."""
    rows = queries.payments_with(connection, transaction_ids=list(positions), entries_max=CREDITS_MAX)
    payments = [_payment(row, positions[row["id"]]) async for row in rows]
    return sorted(payments, key=lambda payment: payment.position)


async def small_payments_of(
    connection: Any, rule: Structuring, payments: Mapping[UUID, Sequence[Payment]]
) -> Mapping[UUID, Sequence[SmallPayment]]:
    """Return the last payments in the range of the rule, for accounts with new payments."""
    rows = queries.small_payments(
        connection,
        account_ids=list(payments),
        first_versions=[min(one.version for one in ones) - ENTRIES_MAX for ones in payments.values()],
        last_versions=[max(one.version for one in ones) for ones in payments.values()],
        least_minor=rule.amount_minor,
        below_minor=rule.below_minor,
    )
    found: dict[UUID, list[SmallPayment]] = defaultdict(list)
    async for row in rows:
        small = SmallPayment(row["id"], row["credit_account_id"], row["amount_minor"], row["created_at"])
        found[row["account_id"]].append(small)
    return found


async def detected_among(connection: Any, keys: Collection[Key]) -> set[Key]:
    """Return the keys whose events are in the log already."""
    subject_ids, rules, periods = map(list, zip(*keys, strict=True))
    rows = queries.detected_among(connection, subject_ids=subject_ids, rules=rules, periods=periods)
    return {(row["subject_id"], row["rule"], row["period"]) async for row in rows}


async def forget_observations_of(connection: Any, user_id: UUID) -> None:
    """Delete the observations of a user who is erased."""
    await queries.forget_observations_of(connection, user_id=user_id)


def _observation(row: Any) -> Observation:
    return Observation(
        position=row["position"],
        kind=row["kind"],
        at=row["observed_at"],
        network=row["network_digest"],
        user_id=row["user_id"],
        address_digest=row["address_digest"],
    )


def _payment(row: Any, position: int) -> Payment:
    return Payment(
        position=position,
        transaction_id=row["id"],
        at=row["created_at"],
        account_id=row["debit_account_id"],
        version=row["debit_version"],
        owner_id=row["owner_id"],
        customer_since=row["customer_since"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        balance_before_minor=row["balance_before_minor"],
        active_at=row["active_at"],
    )
