"""Errors of documents: each has a code, and a message with the path of a wrong value, but without the value."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, Node, ObjectFieldNode, ValueNode, VariableNode

from bank.graphql.errors import error_extensions
from bank.graphql.scalars import LiteralError
from bank.graphql.suggestions import with_suggestion
from bank.graphql.validation.document_path import path_of
from bank.graphql.validation.unknown_names import suggestions_for

DOCUMENT_TOO_LARGE = "DOCUMENT_TOO_LARGE"
DOCUMENT_TOO_DEEP = "DOCUMENT_TOO_DEEP"
DOCUMENT_TOO_COMPLEX = "DOCUMENT_TOO_COMPLEX"
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
OPERATION_NAME_REQUIRED = "OPERATION_NAME_REQUIRED"

_MESSAGE_MAX = 300  # characters; the length of names is limited, but not that of lists of names
_PATH_MAX = 150  # characters; a longer path would leave no room for the sentence, and the error has locations too
_LOCATIONS_MAX = 5  # a conflict of fields has a location for each field; the first few are enough to find it

# graphql-core changes its messages from version to version. So a message about a literal is shown only up to the part
# that certainly contains no value, and suggestions are removed.
_SUGGESTION = re.compile(r"\s*Did you mean.*", re.DOTALL)
_ABOUT_LITERALS = re.compile(
    r"\w+ cannot represent [a-z0-9 -]+ value(?=:)|"
    r"Enum '\w+' cannot represent non-enum value(?=:)|"
    r"Expected value of(?: non-null)? type '[\w\[\]!]+'"
    r"(?: to include required field '\w+'| not to include unknown field '\w+'| to be an object| not to be None)?|"
    r"Field '[\w.]+' (?:of required type '[\w\[\]!]+' was not provided|is not defined by type '\w+')"
)
# "Unexpected Name 'joe'", "found String 'secret'": only the kind of the token is shown.
_VALUE_OF_TOKEN = re.compile(r"\b(Name|Int|Float|String|BlockString|Comment) ['\"].*['\"]", re.DOTALL)


class DocumentError(Exception):
    """A document or an operation name is not valid.

    With a document, errors about values contain their paths. With a schema too, errors about unknown names contain the
    closest existing name.
    """

    def __init__(
        self,
        code: str,
        errors: Sequence[GraphQLError],
        document: DocumentNode | None = None,
        schema: GraphQLSchema | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        wrong_nodes = [error.nodes[0] for error in errors if error.nodes]
        suggested = suggestions_for(schema, document, wrong_nodes) if schema and document else {}
        self._errors = tuple(_safe_error(error, document, suggested) for error in errors)

    def copy(self) -> "DocumentError":
        """Return the same error without a traceback, for a cache or to be raised again."""
        copy = DocumentError(self.code, ())
        copy._errors = self._errors
        return copy

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The GraphQL errors for the response, a new list at each call: message, locations if known, extensions."""
        return [
            {
                "message": message,
                **({"locations": [{"line": line, "column": column} for line, column in found]} if found else {}),
                "extensions": error_extensions(self.code),
            }
            for message, found in self._errors
        ]


def document_error(code: str, message: str, *nodes: Node) -> DocumentError:
    """Return an error with one message and the locations of the nodes."""
    return DocumentError(code, [GraphQLError(message, list(nodes) or None)])


def _safe_error(
    error: GraphQLError, document: DocumentNode | None, suggested: Mapping[int, str]
) -> tuple[str, tuple[tuple[int, int], ...]]:
    locations = tuple((location.line, location.column) for location in (error.locations or ())[:_LOCATIONS_MAX])
    path = path_of(document, error.nodes[0]) if document and error.nodes and _is_about_value(error) else None
    at_path = f" At {path}." if path and len(path) <= _PATH_MAX else ""
    sentence = _without_values(error)
    if error.nodes and (clause := suggested.get(id(error.nodes[0]))):
        longer = with_suggestion(sentence, clause)
        sentence = longer if len(longer) + len(at_path) <= _MESSAGE_MAX else sentence
    return sentence[: _MESSAGE_MAX - len(at_path)] + at_path, locations


def _is_about_value(error: GraphQLError) -> bool:
    """Return whether an error is about a literal, so that its message may contain the value."""
    node = error.nodes[0] if error.nodes else None
    return isinstance(node, ValueNode | ObjectFieldNode) and not isinstance(node, VariableNode)


def _without_values(error: GraphQLError) -> str:
    message = _SUGGESTION.sub("", error.message)
    if message.startswith("Syntax Error: "):
        message, value, _ = _VALUE_OF_TOKEN.sub(r"\1", message.removeprefix("Syntax Error: ")).partition(": ")
        return f"Syntax error: {message}{'.' if value else ''}"
    if _is_about_value(error) and not isinstance(error, LiteralError):
        safe = _ABOUT_LITERALS.match(message)
        return f"{safe.group()}." if safe else "A value is not of the type asked for."
    return message
