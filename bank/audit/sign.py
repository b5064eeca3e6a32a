"""Sign the end of the audit chain from time to time, in the process that writes it."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bank.audit.heads import Head, LastLine, append_head, read_last
from bank.audit.keys import SigningKey, load_signing_key
from bank.background import BackgroundLoop
from bank.clock import Clock
from bank.database.pool import Database
from bank.database.statements import load_statements
from bank.errors import BadInput, BankError
from bank.settings import Settings, SettingsError
from bank.telemetry import metrics

logger = structlog.get_logger(__name__)
_queries = load_statements(__file__)


@dataclass(frozen=True, slots=True)
class SigningConfig:
    """With what heads are signed and where they are written to."""

    key: SigningKey
    heads: Path


def load_signing_config(settings: Settings) -> SigningConfig | None:
    """Return what the settings say, or None where heads are not to be signed.

    Raises `SettingsError` where one of the two files is missing from the settings, `BadInput` where one is not usable.
    """
    if settings.audit_key_file is None and settings.audit_heads_file is None:
        return None
    if settings.audit_key_file is None or settings.audit_heads_file is None:
        raise SettingsError("BANK_AUDIT_KEY_FILE and BANK_AUDIT_HEADS_FILE are set together, or not at all.")
    key = load_signing_key(settings.audit_key_file)
    try:
        os.close(os.open(settings.audit_heads_file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644))
    except OSError as error:
        raise BadInput(f"Cannot write {settings.audit_heads_file}: {error.strerror}.") from None
    read_last(settings.audit_heads_file)
    return SigningConfig(key, settings.audit_heads_file)


class Signer:
    """Signs heads: `loop` does so from time to time, `run_once` once.

    `is_ours` says whether this process writes the chain.
    """

    def __init__(
        self, config: SigningConfig, *, database: Database, clock: Clock, interval_s: float, is_ours: Callable[[], bool]
    ) -> None:
        self._config = config
        self._database = database
        self._clock = clock
        self._is_ours = is_ours
        self.loop = BackgroundLoop(
            name="audit_signing",
            run_once=self._sign_ours,
            interval_s=interval_s,
            begins_with_pause=True,
            failure="audit_head_not_signed",
            # The file of heads can be away, too.
            is_expected=lambda error: isinstance(error, (BankError, OSError)),
        )

    async def _sign_ours(self) -> None:
        if self._is_ours():
            await self.run_once()

    async def run_once(self) -> Head | None:
        """Sign the chain's end if it has moved; return the head.

        Nothing more is signed once the chain does not hold what was signed before: that is logged as an error, and for
        people to look into.
        """
        last = await asyncio.to_thread(read_last, self._config.heads)
        async with self._database.connection() as connection:
            if last is not None and await self._contradicts(connection, last):
                return None
            end = await _queries.chain_end(connection)
            if end is None or (last is not None and end["number"] == last.head.number):
                return None
            # Rows commit without waiting for the disk. What is signed must not be lost with the machine, so wait here.
            await _queries.flush_log(connection)
        head = await asyncio.to_thread(
            append_head,
            self._config.heads,
            self._config.key,
            after=last,
            number=end["number"],
            event_position=end["event_position"],
            hash_=bytes(end["hash"]),
            at=self._clock.now(),
        )
        if head is not None:
            metrics.AUDIT_SIGNED_NUMBER.set(head.number)
        return head

    async def _contradicts(self, connection: Any, last: LastLine) -> bool:
        found = await _queries.hash_at(connection, number=last.head.number)
        if found is not None and bytes(found).hex() == last.head.hash:
            return False
        metrics.AUDIT_CONTRADICTIONS.inc()
        logger.error("audit_contradicts_signed_head", number=last.head.number, heads=str(self._config.heads))
        return True
