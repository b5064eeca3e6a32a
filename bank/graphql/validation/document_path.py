"""The path of a value in a document, in names of the schema: `transfer(input.amount.currency)`."""

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    ListValueNode,
    Node,
    ObjectFieldNode,
    VariableDefinitionNode,
)


def path_of(document: DocumentNode, wanted: Node) -> str | None:
    """Return where a value, or a field of an input object, stands in a document; None where it is not in it.

    The names come from the client, and are bounded like all names of a document.
    """
    # Without recursion, since a document may be as deep as the limits allow; each node with its parent's place.
    waiting: list[tuple[Node, str]] = [(document, "")]
    while waiting:
        node, place = waiting.pop()
        inner = _inner(node, place)
        if node is wanted:
            return f"{inner}{')' if '(' in inner else ''}" or None
        is_list = isinstance(node, ListValueNode)
        number = 0
        for key in node.keys:
            value = getattr(node, key, None)
            for child in value if isinstance(value, list | tuple) else (value,):
                if isinstance(child, Node):
                    waiting.append((child, f"{inner}[{number}]" if is_list else inner))
                    number += 1
    return None


def _inner(node: Node, place: str) -> str:
    match node:
        case FieldNode():
            return node.name.value
        case DirectiveNode():
            return f"@{node.name.value}"
        case ArgumentNode():
            return f"{place}({node.name.value}"
        case ObjectFieldNode():
            return f"{place}.{node.name.value}"
        case VariableDefinitionNode():
            return f"${node.variable.name.value}"
        case _:
            return place
