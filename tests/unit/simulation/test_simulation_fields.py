"""Every field of the contract has a rule, and is requested by a document of the clients."""

from graphql import GraphQLObjectType, TypeInfo, TypeInfoVisitor, Visitor, build_schema, parse, visit

from bank.api.schema import load_sdl
from contracts import OPERATIONS
from simulation.judge.fields.contract import leaves, types
from simulation.judge.fields.rules import RULES
from simulation.judge.fields.shapes import SHAPES

SCHEMA = build_schema(load_sdl())


def fields() -> set[str]:
    """Return every leaf field of the schema as Type.field; a field of type Money counts as a leaf."""
    kinds = [kind for kind in SCHEMA.type_map.values() if isinstance(kind, GraphQLObjectType)]
    return {
        f"{kind.name}.{name}"
        for kind in kinds
        if not kind.name.startswith("__") and kind.name != "Money"
        for name in kind.fields
        if types()[kind.name][name] in leaves()
    }


def asked_for() -> set[str]:
    found: set[str] = set()
    info = TypeInfo(SCHEMA)

    class Collect(Visitor):
        def enter_field(self, node: object, *_: object) -> None:
            parent = info.get_parent_type()
            assert parent is not None
            found.add(f"{parent.name}.{node.name.value}")  # type: ignore[attr-defined]  # a field has a name

    for file in OPERATIONS.iterdir():
        visit(parse(file.read_text("utf-8")), TypeInfoVisitor(info, Collect()))
    return found


def test_the_types_of_the_files_are_those_of_the_schema() -> None:
    for name, kind in SCHEMA.type_map.items():
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__"):
            assert types()[name] == {
                field: str(one.type).translate(str.maketrans("", "", "[]!")) for field, one in kind.fields.items()
            }


def test_every_field_has_a_rule_and_every_rule_a_field() -> None:
    assert RULES.keys() == fields()
    assert set(SHAPES) <= types().keys()


def test_every_field_is_requested_by_a_document() -> None:
    roots = {f"Query.{name}" for name in types()["Query"]} | {f"Mutation.{name}" for name in types()["Mutation"]}
    assert fields() | roots <= asked_for() | {"Money.amount", "Money.currency"}
