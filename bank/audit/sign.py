"""Periodic signing of the audit chain's head, in the process that writes the chain."""

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
    """The key that signs heads, and the file that they are appended to."""

    key: SigningKey
    heads: Path


def load_signing_config(settings: Settings) -> SigningConfig | None:
    """Return the signing configuration of the settings, or None if heads are not to be signed.

    Raises `SettingsError` if only one of the two files is set, and `BadInput` if a file is not usable.
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
    """Signing of heads: `loop` signs periodically, `run_once` signs once.

    `writes_chain` returns whether this process writes the chain.
    """

    def __init__(
        self,
        config: SigningConfig,
        *,
        database: Database,
        clock: Clock,
        interval_s: float,
        writes_chain: Callable[[], bool],
    ) -> None:
        self._config = config
        self._database = database
        self._clock = clock
        self._writes_chain = writes_chain
        self.loop = BackgroundLoop(
            name="audit_signing",
            run_once=self._sign_own_chain,
            interval_s=interval_s,
            begins_with_pause=True,
            failure="audit_head_not_signed",
            # The file of heads may be on a volume that is unavailable for a while.
            is_expected=lambda error: isinstance(error, (BankError, OSError)),
        )

    async def _sign_own_chain(self) -> None:
        if self._writes_chain():
            await self.run_once()

    async def run_once(self) -> Head | None:
        """Sign the chain's newest row, and return the head; None if the row has been signed before.

        Signing stops if the chain contradicts the last signed head. This is logged as an error, for an operator to
        investigate.
        """
        last = await asyncio.to_thread(read_last, self._config.heads)
        async with self._database.connection() as connection:
            if last is not None and await self._contradicts(connection, last):
                return None
            end = await _queries.chain_end(connection)
            if end is None or (last is not None and end["number"] == last.head.number):
                return None
            # Audit rows are committed asynchronously. A crash of the machine must not lose a signed row, so wait here
            # until it is on the disk.
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
