"""The cipher of a command, with the master key of the environment."""

from bank.clock import Clock, SystemClock
from bank.database.pool import Database
from bank.encryption.cipher import PersonalTextCipher
from bank.encryption.keys import DataKeys
from bank.encryption.master_key import MasterKey
from bank.settings import load_master_key


def cipher_for(database: Database, clock: Clock | None = None) -> PersonalTextCipher:
    """Return the cipher for a database. Raises `SettingsError` if the environment has no usable master key."""
    return PersonalTextCipher(DataKeys(database, MasterKey(load_master_key()), clock or SystemClock()))
