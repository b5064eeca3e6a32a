"""The keyring: the keys that sign and verify access tokens, each with its key id and its time."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from joserfc.jwk import OctKey

_ALWAYS = datetime.min.replace(tzinfo=UTC)
# Enough to tell keys apart, and too short to say anything about the secret.
_ID_HEX_DIGITS = 16


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key for access tokens. It signs from `signs_from` on, until a later key does.

    From `older_until` on, tokens of earlier keys are refused. `id` is the key id (`kid`) in the header of a token.
    """

    id: str
    key: OctKey
    signs_from: datetime = _ALWAYS
    older_until: datetime = _ALWAYS


def key_of_secret(secret: str) -> SigningKey:
    """Return the first key of a bank, BANK_TOKEN_SECRET. Its id does not tell anything about it."""
    id_ = hmac.new(secret.encode(), b"key id", hashlib.sha256).hexdigest()[:_ID_HEX_DIGITS]
    return SigningKey(id_, OctKey.import_key(secret))


class Keyring:
    """The first key, and the later ones in the order in which they were made.

    A later key replaces an earlier one, also if the earlier one was to begin later.
    """

    def __init__(self, first: SigningKey, later: Sequence[SigningKey] = ()) -> None:
        self._first = first
        self._keys = [first, *later]
        self._by_id = {key.id: key for key in self._keys}
        self._accepted_until: dict[str, datetime | None] = {}
        until = None
        for key in reversed(self._keys):
            self._accepted_until[key.id] = until
            until = key.older_until if until is None else min(until, key.older_until)

    def signing_key(self, now: datetime) -> SigningKey:
        """Return the last key whose time to sign has come."""
        return next((key for key in reversed(self._keys) if key.signs_from <= now), self._first)

    def find(self, key_id: str | None) -> SigningKey | None:
        """Return the key with this id. Tokens from before keys had ids are of the first key."""
        return self._first if key_id is None else self._by_id.get(key_id)

    def accepted_until(self, key: SigningKey) -> datetime | None:
        """Return the time from which on tokens of a key are refused; None for the last key.

        A key is accepted before it signs, because the clock of the worker that signed may be ahead.
        """
        return self._accepted_until[key.id]
