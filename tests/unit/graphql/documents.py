"""A validator of documents for the bank's schema, and its refusals."""

import pytest

from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator

VALIDATOR = DocumentValidator(load_sdl(), codecs=SCALARS)


def refusal_of(source: str, validator: DocumentValidator = VALIDATOR) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        validator.validate(source)
    return caught.value
