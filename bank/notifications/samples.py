"""Sample values of the variables of each type, for previews and for the check of a template."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bank.notifications.types import COMMON, NotificationType, VariableKind

# The longest values that occur in practice: a text that fits with them fits with others.
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "account": "0001/00000042-4",
        "address": "2001:db8:7:…",
        "bank_name": "Banco",
        "counterparty": "Maria das Dores Albuquerque e Silva",
        "description": "Aluguel de dezembro <Apto 42 & garagem>",
        "device": "Firefox, Linux",
        "name": "João",
        "new_email": "j***@example.com",
        "reason": "O saldo da conta não é suficiente.",
        "short": "Você recebeu R$ 10,00.",
        "subject": "Você recebeu R$ 10,00",
        "transaction": "01931b6e-7c1a-7d3a-9f0e-3b5c2a1d4e6f",
        "what": "muitos pagamentos pequenos em poucos minutos.",
    }
)
_VALUES: Mapping[VariableKind, Any] = MappingProxyType(
    {
        VariableKind.MONEY: {"amount": "1234567.89", "currency": "BRL"},
        VariableKind.MOMENT: "2026-12-01T15:30:00+00:00",
        VariableKind.NUMBER: 12,
        VariableKind.FLAG: True,
    }
)


def sample_variables(notification_type: NotificationType, *, with_optional: bool = True) -> dict[str, Any]:
    """Return a value for each variable of a type; null for the optional ones without `with_optional`."""
    left_out = frozenset() if with_optional else notification_type.optional
    return {
        name: None if name in left_out else _sample(name, kind, notification_type.items)
        for name, kind in {**COMMON, **notification_type.variables}.items()
    }


def _sample(name: str, kind: VariableKind, items: Mapping[str, VariableKind]) -> Any:
    match kind:
        case VariableKind.TEXT:
            return _TEXTS[name]
        case VariableKind.LIST:
            return [{member: _sample(member, of, {}) for member, of in items.items()} for _ in range(3)]
    return _VALUES[kind]
