"""The subscriber that looks for suspicious activity: it stores what rules need later, and appends what they find.

It works behind the log, so that no payment waits for it. Most events need no statement: a payment is looked up if its
amount is one that a rule looks at, and logins and registrations are few.

What it finds is an event in the log (decision 0042). A channel for alerts is another subscriber of this event.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any
from uuid import UUID

import msgspec
import structlog

from bank.clock import Clock
from bank.encryption.cipher import PersonalTextCipher
from bank.events.event import DomainEvent, EventMetadata, RecordedEvent
from bank.events.leases import CHANNEL
from bank.events.log import append
from bank.events.origins import NO_METADATA
from bank.events.types.second_factors import SecondFactorChangedEvent
from bank.events.types.sessions import LoginFailedEvent, UserLoggedInEvent
from bank.events.types.suspicious_activity import NETWORK, SuspiciousActivityDetectedEvent
from bank.events.types.transactions import TransactionCompletedEvent
from bank.events.types.users import PasswordChangedEvent, UserProfileChangedEvent, UserRegisteredEvent
from bank.networks import is_within, network_of
from bank.security.detect import (
    CREDENTIAL_CHANGE,
    FAILED_LOGIN,
    NEW_DEVICE,
    REGISTRATION,
    Observation,
    Payment,
    find_in_payment,
    find_registrations,
    find_structuring,
    find_stuffing,
)
from bank.security.evidence import (
    Group,
    Key,
    detected_among,
    observations_of_networks,
    observations_of_owners,
    payments_of,
    small_payments_of,
    store_observations,
)
from bank.security.rules import RULES, Rules
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
EVENTS: tuple[type[DomainEvent], ...] = (
    LoginFailedEvent,
    PasswordChangedEvent,
    SecondFactorChangedEvent,
    SuspiciousActivityDetectedEvent,
    TransactionCompletedEvent,
    UserLoggedInEvent,
    UserProfileChangedEvent,
    UserRegisteredEvent,
)
"""The events that the subscriber handles."""

PAYMENTS = frozenset({"TRANSFER", "WITHDRAWAL", "CAPTURE"})
"""The kinds of transactions with which money leaves the account of a customer."""

LEAST_MINOR = RULES.amount_minor
"""The least amount of a payment that a rule of the bank looks at."""


def is_watched(event: DomainEvent) -> bool:
    """Return whether an event can matter: most payments are below the least amount of all rules."""
    return not isinstance(event, TransactionCompletedEvent) or event.amount_minor >= LEAST_MINOR


_Found = dict[Key, SuspiciousActivityDetectedEvent]


class SuspiciousActivityMonitor:
    """The handler of the subscriber. Addresses in the networks `exempt` are the bank's own, and are not counted."""

    def __init__(
        self,
        cipher: PersonalTextCipher,
        clock: Clock,
        exempt: Sequence[IPv4Network | IPv6Network],
        rules: Rules = RULES,
    ) -> None:
        self._cipher = cipher
        self._clock = clock
        self._exempt = exempt
        self._rules = rules
        self._amount_minor = rules.amount_minor

    async def watch(self, connection: Any, events: Sequence[RecordedEvent]) -> None:
        """Store observations, and append what the rules find. A repeated delivery finds nothing again."""
        for recorded in events:
            if isinstance(recorded.event, SuspiciousActivityDetectedEvent):
                _report(recorded.position, recorded.event)
        addresses = await self._addresses(connection, events)
        observations = [one for event in events if (one := self._observation(event, addresses)) is not None]
        if observations:
            await store_observations(connection, observations)
        found: _Found = {}
        for event in await self._of_networks(connection, observations):
            found.setdefault(_key(event), event)
        for event in await self._of_payments(connection, events):
            found.setdefault(_key(event), event)
        if found:
            await self._append(connection, found, addresses)

    async def _addresses(self, connection: Any, events: Iterable[RecordedEvent]) -> Mapping[int, str]:
        """Return the client addresses of failed logins and registrations in clear, by position.

        An address whose key is destroyed is left out.
        """
        stored = {
            recorded.position: recorded.metadata.ip_address
            for recorded in events
            if isinstance(recorded.event, LoginFailedEvent | UserRegisteredEvent)
        }
        if not stored:
            return {}
        plain = await self._cipher.decrypt(stored.values(), connection.fetch)
        return {position: address for position, text in stored.items() if (address := plain[text]) is not None}

    def _observation(self, recorded: RecordedEvent, addresses: Mapping[int, str]) -> Observation | None:
        """Return what a rule may need later of an event; None for most events."""
        event, position, at = recorded.event, recorded.position, recorded.created_at
        match event:
            case LoginFailedEvent() | UserRegisteredEvent():
                address = addresses.get(position)
                if address is None or is_within(address, self._exempt):
                    return None
                network = self._cipher.lookup_digest("network", network_of(address))
                is_login = isinstance(event, LoginFailedEvent)
                return Observation(
                    position=position,
                    kind=FAILED_LOGIN if is_login else REGISTRATION,
                    at=at,
                    network=network,
                    user_id=event.user_id,
                    address_digest=event.address_digest if isinstance(event, LoginFailedEvent) else None,
                )
            case UserLoggedInEvent() if event.new_device:
                kind = NEW_DEVICE
            case PasswordChangedEvent():
                kind = CREDENTIAL_CHANGE
            case UserProfileChangedEvent() if event.change == "EMAIL":
                kind = CREDENTIAL_CHANGE
            case SecondFactorChangedEvent() if event.change in {"DISABLED", "RESET"}:
                kind = CREDENTIAL_CHANGE
            case _:
                return None
        return Observation(position=position, kind=kind, at=at, network=None, user_id=event.aggregate_id)

    async def _of_networks(
        self, connection: Any, new: Sequence[Observation]
    ) -> Sequence[SuspiciousActivityDetectedEvent]:
        """Apply the rules about networks to the networks of new observations."""
        groups: dict[Group, list[Observation]] = defaultdict(list)
        for one in new:
            if one.network is not None:
                groups[one.network, one.kind].append(one)
        if not groups:
            return ()
        stored = await observations_of_networks(connection, self._rules, groups)
        found: list[SuspiciousActivityDetectedEvent] = []
        for group, ones in groups.items():
            positions = {one.position for one in ones}
            if group[1] == FAILED_LOGIN:
                found += find_stuffing(self._rules.credential_stuffing, stored[group], positions)
            else:
                found += find_registrations(self._rules.mass_registration, stored[group], positions)
        return found

    async def _of_payments(
        self, connection: Any, events: Iterable[RecordedEvent]
    ) -> Sequence[SuspiciousActivityDetectedEvent]:
        """Apply the rules about payments to those of an amount that a rule looks at."""
        positions = {
            recorded.event.transaction_id: recorded.position
            for recorded in events
            if isinstance(recorded.event, TransactionCompletedEvent)
            and recorded.event.amount_minor >= self._amount_minor
            and recorded.event.kind in PAYMENTS
        }
        payments = await payments_of(connection, positions) if positions else ()
        if not payments:
            return ()
        observations = await observations_of_owners(connection, self._rules, payments)
        found: list[SuspiciousActivityDetectedEvent] = []
        small: dict[UUID, list[Payment]] = defaultdict(list)
        for payment in payments:
            found += find_in_payment(self._rules, payment, observations[payment.owner_id])
            if self._rules.structuring.is_small(payment.amount_minor):
                small[payment.account_id].append(payment)
        if small:
            stored = await small_payments_of(connection, self._rules.structuring, small)
            for account_id, ones in small.items():
                found += find_structuring(self._rules.structuring, stored[account_id], ones)
        return found

    async def _append(self, connection: Any, found: _Found, addresses: Mapping[int, str]) -> None:
        """Append what is not in the log yet. The commit of the delivery commits it."""
        known = await detected_among(connection, found.keys())
        events = [event for key, event in found.items() if key not in known]
        if not events:
            return
        metadata = [await self._metadata(connection, event, addresses) for event in events]
        # Not published on the bus, because its subscribers must not see events of a commit that a crash can undo.
        await connection.execute(f"notify {CHANNEL}")
        await append(connection, events, now=self._clock.now(), metadata=metadata)

    async def _metadata(
        self, connection: Any, event: SuspiciousActivityDetectedEvent, addresses: Mapping[int, str]
    ) -> EventMetadata:
        """Return the address of a network, encrypted with the key of the day: it belongs to no known person."""
        if event.subject_type != NETWORK:
            return NO_METADATA
        return EventMetadata(ip_address=await self._cipher.encrypt(addresses[event.positions[-1]], None, connection))


def _key(event: SuspiciousActivityDetectedEvent) -> Key:
    return event.subject_id, event.rule, msgspec.to_builtins(event.period_begins_at)


def _report(position: int, event: SuspiciousActivityDetectedEvent) -> None:
    """Count an event of the log, and write a warning. After a crash, this may happen twice."""
    metrics.SUSPICIOUS_ACTIVITY.labels(event.rule).inc()
    logger.warning(
        "suspicious_activity",
        rule=event.rule,
        subject=f"{event.subject_type} {event.subject_id}",
        person=str(event.person_id) if event.person_id else None,
        position=position,
    )
