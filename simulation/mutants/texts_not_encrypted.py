"""Descriptions and reasons are stored as they were written."""

from typing import Any

from bank.encryption.cipher import PersonalTextCipher
from simulation.mutants.mutant import Mutant, patch


async def _encrypt(_cipher: Any, text: str | None, _person_id: Any, _connection: Any = None) -> str | None:
    return text


def plant() -> None:
    """Let the cipher return texts as they are."""
    patch(PersonalTextCipher, "encrypt", _encrypt)


MUTANT = Mutant(
    name="texts_not_encrypted",
    explanation=__doc__ or "",
    caught_by=("stored_data_is_encrypted",),
    plant=plant,
)
