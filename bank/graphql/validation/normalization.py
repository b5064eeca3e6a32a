"""Normalisation of a document: it is written again from its tokens, in a form that Tartiflette parses correctly.

Tartiflette's C parser cuts escaped characters to eight bits, ends the document at a NUL, and has an older grammar. In
the normalised document, strings are one line of raw UTF-8, comments are removed, and tokens keep their locations.
"""

import re
from collections.abc import Sequence

from graphql import GraphQLError, GraphQLSyntaxError, Lexer, Source, Token, TokenKind

from bank.graphql.validation.errors import (
    DOCUMENT_TOO_COMPLEX,
    DOCUMENT_TOO_DEEP,
    DOCUMENT_TOO_LARGE,
    PARSE_FAILED,
    DocumentError,
    document_error,
)
from bank.graphql.validation.limits import DocumentLimits

_OPENING = frozenset({TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L})
_CLOSING = frozenset({TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R})
_STRINGS = frozenset({TokenKind.STRING, TokenKind.BLOCK_STRING})
_NUMBERS = frozenset({TokenKind.INT, TokenKind.FLOAT})
_WORDS = _STRINGS | _NUMBERS | {TokenKind.NAME}
# The tokens that the C parser requires directly before their names.
_PREFIXES = frozenset({TokenKind.DOLLAR, TokenKind.AT})

# The escapes that both parsers decode in the same way, for all control characters that texts may contain.
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_CONTROL_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def holds_control_characters(text: str) -> bool:
    """Return whether a text has control characters other than tab and line ends, or surrogates.

    They could harm a terminal, and PostgreSQL refuses some of them.
    """
    return _CONTROL_CHARACTER.search(text) is not None


def read_tokens(source: str, limits: DocumentLimits) -> list[Token]:
    """Return the tokens of a document. Raises DocumentError at the first exceeded limit or syntax error.

    Works without recursion, so that no document can exhaust the stack.
    """
    if source.count("#") > limits.comments:
        raise document_error(DOCUMENT_TOO_LARGE, f"The document has more than {limits.comments} comments.")
    lexer = Lexer(Source(source))
    tokens: list[Token] = []
    nesting = 0
    while (token := _advance(lexer)).kind is not TokenKind.EOF:
        tokens.append(token)
        kind = token.kind
        if len(tokens) > limits.tokens:
            raise document_error(DOCUMENT_TOO_LARGE, f"The document has more than {limits.tokens} tokens.")
        if kind in _OPENING:
            nesting += 1
            if nesting > limits.nesting:
                message = f"The document has brackets nested more than {limits.nesting} deep."
                raise _error_at(DOCUMENT_TOO_DEEP, lexer, token, message)
        elif kind in _CLOSING:
            nesting -= 1
        elif kind is TokenKind.NAME and token.end - token.start > limits.name_length:
            message = f"The document has a name of more than {limits.name_length} characters."
            raise _error_at(DOCUMENT_TOO_COMPLEX, lexer, token, message)
        elif kind in _NUMBERS and token.end - token.start > limits.number_length:
            message = f"The document has a number of more than {limits.number_length} digits."
            raise _error_at(DOCUMENT_TOO_COMPLEX, lexer, token, message)
        elif kind in _STRINGS and holds_control_characters(token.value or ""):
            raise _error_at(PARSE_FAILED, lexer, token, "A string holds a control character.")
    return tokens


def write_tokens(source: str, tokens: Sequence[Token]) -> str:
    """Return a document of these tokens that all parsers read in the same way.

    Each token keeps its line, and its column unless a longer string is before it in the line.
    """
    pieces: list[str] = []
    line, column = 1, 1
    previous = TokenKind.SOF
    for token in tokens:
        written = _quote(token.value or "") if token.kind in _STRINGS else source[token.start : token.end]
        if previous not in _PREFIXES:
            if token.line > line:
                pieces.append("\n" * (token.line - line))
                line, column = token.line, 1
            # If a string has become longer, the next token is moved, and may need a space before it.
            gap = max(token.column - column, 1 if previous in _WORDS and token.kind in _WORDS else 0)
            pieces.append(" " * gap)
            column += gap
        pieces.append(written)
        column += len(written)
        previous = token.kind
    return "".join(pieces)


def _quote(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def _advance(lexer: Lexer) -> Token:
    try:
        return lexer.advance()
    except GraphQLSyntaxError as error:
        raise DocumentError(PARSE_FAILED, [error]) from None


def _error_at(code: str, lexer: Lexer, token: Token, message: str) -> DocumentError:
    return DocumentError(code, [GraphQLError(message, source=lexer.source, positions=[token.start])])
