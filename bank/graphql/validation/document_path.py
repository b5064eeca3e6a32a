"""The path of a value in a document, in names of the schema: `transfer(input.amount.currency)`."""

from graphql import (
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    ListValueNode,
    Node,
    ObjectFieldNode,
    ObjectValueNode,
    VariableDefinitionNode,
)


def path_of(document: DocumentNode, wanted: Node) -> str | None:
    """Return the path of a value, or of a field of an input object, in a document; None if it is not in it.

    graphql-core 3.3 copies lists and objects before it coerces them, without their locations; a copy is found by the
    scalars in it. The path has names from the client. Their length is limited, as of all names in a document.
    """
    # Without recursion, because a document may be as deep as the limits allow. Each node has the path of its parent.
    stack: list[tuple[Node, str]] = [(document, "")]
    structure = _structure(wanted)
    while stack:
        node, parent_path = stack.pop()
        path = _extend(parent_path, node)
        if node is wanted or (wanted.loc is None and type(node) is type(wanted) and _structure(node) == structure):
            return f"{path}{')' if '(' in path else ''}" or None
        is_list = isinstance(node, ListValueNode)
        index = 0
        for key in node.keys:
            value = getattr(node, key, None)
            for child in value if isinstance(value, list | tuple) else (value,):
                if isinstance(child, Node):
                    stack.append((child, f"{path}[{index}]" if is_list else path))
                    index += 1
    return None


def _structure(node: Node) -> object:
    """Return the scalars in a value by their identity, and the lists and objects around them."""
    match node:
        case ListValueNode():
            return tuple(_structure(value) for value in node.values)
        case ObjectValueNode():
            return tuple((field.name.value, _structure(field.value)) for field in node.fields)
        case _:
            return id(node)


def _extend(path: str, node: Node) -> str:
    match node:
        case FieldNode():
            return node.name.value
        case DirectiveNode():
            return f"@{node.name.value}"
        case ArgumentNode():
            return f"{path}({node.name.value}"
        case ObjectFieldNode():
            return f"{path}.{node.name.value}"
        case VariableDefinitionNode():
            return f"${node.variable.name.value}"
        case _:
            return path
