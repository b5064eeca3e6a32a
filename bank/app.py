"""The composition root: the only module that connects all parts of the bank."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from uuid import uuid4

import structlog

from bank.accounts.administration import AccountAdministration
from bank.accounts.cached import AccountCache
from bank.accounts.reads import AccountDirectory
from bank.approvals.approve import Approvals
from bank.approvals.expire import approval_expiry
from bank.audit.sign import Signer, load_signing_config
from bank.background import BackgroundLoop, BackgroundTasks
from bank.cache.broadcast import CHANNEL as CACHE_CHANNEL
from bank.cache.broadcast import InvalidationBroadcast
from bank.cache.membership import CacheMembership
from bank.cache.redis import CacheServer
from bank.cache.response_cache import ResponseCache
from bank.cache.session_marks import SessionMarks
from bank.cache.trust import CacheTrust
from bank.cache.values import ValueCache
from bank.clock import Clock, SystemClock
from bank.database.migrate import require_level
from bank.database.pool import Database
from bank.encryption.cipher import PersonalTextCipher
from bank.encryption.keys import CHANNEL as KEYS_CHANNEL
from bank.encryption.keys import DataKeys
from bank.encryption.master_key import MasterKey
from bank.errors import BankError
from bank.event_handlers import CACHE_SUBSCRIBER, subscribers
from bank.events.bus import Bus
from bank.events.delivery import Delivery
from bank.events.leases import Leases, LogListener
from bank.events.origins import EventOrigins
from bank.events.recorder import EventRecorder
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.holds.expire import hold_expiry
from bank.idempotency.retention import KeyRetention
from bank.identity.keyring import Keyring, key_of_secret
from bank.identity.passwords import Passwords
from bank.identity.sessions import Sessions
from bank.identity.signing_keys import CHANNEL as SIGNING_KEYS_CHANNEL
from bank.identity.signing_keys import SigningKeys
from bank.identity.step_up import StepUpPolicy, step_up_policy
from bank.identity.tokens import AccessTokens
from bank.ledger.post import Ledger
from bank.ledger.terms import Terms, terms_of
from bank.privacy.erase import reapply
from bank.privacy.erasures import ErasureRegister
from bank.privacy.retention import DataRetention
from bank.security.rate_limits import RateLimiter
from bank.security.watch import SuspiciousActivityMonitor
from bank.settings import Settings

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bank:
    """The parts of the bank that use cases, resolvers and loops need."""

    settings: Settings
    clock: Clock
    database: Database
    cache_server: CacheServer
    responses: ResponseCache
    values: ValueCache
    marks: SessionMarks
    broadcast: InvalidationBroadcast
    membership: CacheMembership
    accounts: AccountCache
    directory: AccountDirectory
    cipher: PersonalTextCipher
    bus: Bus
    uow_factory: UnitOfWorkFactory
    recorder: EventRecorder
    ledger: Ledger
    terms: Terms
    administration: AccountAdministration
    approvals: Approvals
    approval_expiry: BackgroundLoop
    passwords: Passwords
    tokens: AccessTokens
    signing_keys: SigningKeys
    sessions: Sessions
    step_up: StepUpPolicy
    rate_limiter: RateLimiter
    deliveries: tuple[Delivery, ...]
    leases: Leases
    hold_expiry: BackgroundLoop
    key_retention: KeyRetention
    data_retention: DataRetention
    erasures: ErasureRegister
    signer: Signer | None


def build_bank(settings: Settings, *, clock: Clock | None = None, random: Random | None = None) -> Bank:
    """Build a bank without connecting it to its servers.

    Raises `SettingsError` or `BadInput` if the files for the signatures of the audit are not usable.
    """
    clock = clock or SystemClock()
    random = random or Random()  # noqa: S311 - jitter of retries, no secret
    database = Database(
        settings.database_url,
        pool_size=settings.database_pool_size,
        pool_timeout_ms=settings.database_pool_timeout_ms,
        statement_timeout_ms=settings.database_statement_timeout_ms,
    )
    trust, owner = CacheTrust(), uuid4()
    cache_server = CacheServer(settings.redis_url, timeout_ms=settings.redis_timeout_ms, trust=trust)
    broadcast = InvalidationBroadcast(database, owner)
    membership = CacheMembership(
        trust, server=cache_server, database=database, worker=owner, subscriber=CACHE_SUBSCRIBER
    )
    values = ValueCache(cache_server, broadcast.send, membership.require_new_epoch)
    marks = SessionMarks(values, settings.token_secret.get_secret_value(), clock, broadcast.send)
    accounts = AccountCache(values)
    bus = Bus()
    master_key = MasterKey(settings.master_key.get_secret_value())
    cipher = PersonalTextCipher(DataKeys(database, master_key, clock))
    uow_factory = UnitOfWorkFactory(database, bus, clock, EventOrigins(cipher))
    recorder = EventRecorder(uow_factory)
    passwords = Passwords()
    first_key = key_of_secret(settings.token_secret.get_secret_value())
    tokens = AccessTokens(
        Keyring(first_key), clock, staff_need_second_factor=settings.staff_second_factor == "required"
    )
    ledger = Ledger(database, bus, clock, accounts.write_through, cipher)
    terms = terms_of(settings)
    monitor = SuspiciousActivityMonitor(cipher, clock, settings.rate_limit_exempt)
    deliveries = tuple(
        Delivery(subscriber, database=database, bus=bus, clock=clock, owner=owner, random=random, cipher=cipher)
        for subscriber in subscribers(accounts, monitor.watch)
    )
    return Bank(
        settings=settings,
        clock=clock,
        database=database,
        cache_server=cache_server,
        responses=ResponseCache(cache_server),
        values=values,
        marks=marks,
        broadcast=broadcast,
        membership=membership,
        accounts=accounts,
        directory=AccountDirectory(database),
        cipher=cipher,
        bus=bus,
        uow_factory=uow_factory,
        recorder=recorder,
        ledger=ledger,
        terms=terms,
        administration=AccountAdministration(uow_factory, accounts, cipher, terms),
        approvals=Approvals(
            uow_factory=uow_factory,
            database=database,
            ledger=ledger,
            terms=terms,
            accounts=accounts,
            marks=marks,
        ),
        approval_expiry=approval_expiry(uow_factory, random),
        passwords=passwords,
        tokens=tokens,
        signing_keys=SigningKeys(database, master_key, tokens, first_key),
        sessions=Sessions(
            uow_factory=uow_factory,
            database=database,
            recorder=recorder,
            marks=marks,
            passwords=passwords,
            tokens=tokens,
            clock=clock,
            settings=settings,
        ),
        step_up=step_up_policy(settings),
        rate_limiter=RateLimiter(settings, lambda: membership.workers),
        deliveries=deliveries,
        leases=Leases(deliveries, database=database, owner=owner),
        hold_expiry=hold_expiry(ledger, database, clock, random),
        key_retention=KeyRetention(database, clock, random, settings.idempotency_retention),
        data_retention=DataRetention(database, clock, random),
        erasures=ErasureRegister(settings.erasures_file),
        signer=_signer(settings, database, clock, deliveries),
    )


def _signer(settings: Settings, database: Database, clock: Clock, deliveries: tuple[Delivery, ...]) -> Signer | None:
    config = load_signing_config(settings)
    if config is None:
        return None
    [audit] = [delivery for delivery in deliveries if delivery.subscriber.name == "audit"]
    return Signer(
        config,
        database=database,
        clock=clock,
        interval_s=settings.audit_interval_s,
        writes_chain=lambda: audit.position is not None,
    )


@asynccontextmanager
async def running(bank: Bank) -> AsyncIterator[Bank]:
    """Connect the bank and run its background loops; on exit finish the accepted work, and stop.

    Raises `Unavailable` if the database does not respond, `WrongRole` if its role has the wrong rights,
    `WrongMigrationLevel` if the database is not migrated, and `WrongMasterKey` if it has the keys of another bank.
    """
    await bank.database.open()
    try:
        await require_level(bank.database)
        await bank.cipher.keys.require_master_key()
        await bank.signing_keys.load()
        await _apply_erasures(bank)
        await bank.leases.register()
        await bank.leases.run_once()
        listener = LogListener(
            url=bank.settings.database_url,
            bus=bank.bus,
            leases=bank.leases,
            channels={
                CACHE_CHANNEL: partial(
                    bank.broadcast.receive, lambda tags: bank.values.defer(bank.marks.receive(tags))
                ),
                KEYS_CHANNEL: bank.cipher.keys.receive,
                SIGNING_KEYS_CHANNEL: bank.signing_keys.receive,
            },
            heartbeat=bank.membership,
            on_listening=bank.marks.set_listening_since,
        )
        loops = [
            bank.ledger.loop,
            bank.leases.loop,
            bank.hold_expiry,
            bank.approval_expiry,
            bank.key_retention.loop,
            bank.data_retention.loop,
            bank.signing_keys.loop,
            *(delivery.loop for delivery in bank.deliveries),
        ]
        if bank.signer is not None:
            loops.append(bank.signer.loop)
        else:
            logger.warning("audit_heads_not_signed", reason="BANK_AUDIT_KEY_FILE is not set")
        tasks, communication = BackgroundTasks(), BackgroundTasks()
        for loop in loops:
            tasks.start(loop.name, loop.run())
        # The communication with other workers continues until the last write of this worker.
        communication.start("listener", listener.run())
        communication.start("cache_membership", bank.membership.loop.run())
        try:
            yield bank
        finally:
            await _stop(bank, tasks, communication)
    finally:
        bank.passwords.close()
        await bank.cache_server.close()
        await bank.database.close()


async def _apply_erasures(bank: Bank) -> None:
    """Erase again whom a restored backup has brought back, and register what a killed process has not."""
    for result in await reapply(bank.uow_factory, await bank.erasures.read()):
        logger.warning("erasure_reapplied", person=str(result.person_id), accounts_left_open=len(result.left_open))
    if registered := await bank.erasures.complete(bank.database):
        logger.warning("erasures_registered", erasures=registered)


async def _stop(bank: Bank, tasks: BackgroundTasks, communication: BackgroundTasks) -> None:
    """Cancel the loops, write the queued postings and events, and release the leases.

    Events that are not delivered yet stay in the log for other workers.
    """
    await tasks.cancel()
    await bank.ledger.close()
    await bank.recorder.close()
    await communication.cancel()
    if bank.signer is not None:
        # Sign the last rows of this worker, before it releases the lease and another worker writes the chain.
        await bank.signer.loop.attempt()
    try:
        await bank.leases.release()
        await bank.membership.leave()
    except BankError as error:
        # The leases expire within two seconds.
        logger.warning("leases_not_released", error=str(error))
