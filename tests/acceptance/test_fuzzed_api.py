"""Every generated operation that the schema permits gets an answer, and never an internal error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from bank.api.schema import load_sdl
from tests.acceptance.test_serve import ENVIRONMENT, Server, serving

QUERIES = ["me", "account", "sessions"]
MUTATIONS = [
    "register",
    "login",
    "refreshSession",
    "logout",
    "unlockLogin",
    "revokeSession",
    "revokeOtherSessions",
    "changePassword",
    "changeEmail",
    "changePhone",
    "enrolSecondFactor",
    "confirmSecondFactor",
    "renewRecoveryCodes",
    "verifySecondFactor",
    "setStepUpLimit",
    "disableSecondFactor",
    "openAccount",
    "deposit",
    "transfer",
    "withdraw",
    "transferBatch",
    "reverseTransaction",
    "authorizeHold",
    "captureHold",
    "releaseHold",
    "freezeAccount",
    "unfreezeAccount",
    "closeAccount",
    "setAccountLimits",
]

STRINGS = {
    "Decimal": st.sampled_from(["10.50", "0", "-1.00", "1e5", "0.001", "99999999999999999999", ""]),
    "CPF": st.sampled_from(["529.982.247-25", "52998224725", "111.111.111-11", "x"]),
    "AccountNumber": st.sampled_from(["0001/00000042-4", "0001/00000042-3", "1"]),
    "CurrencyCode": st.sampled_from(["BRL", "USD", "brl"]),
    "Date": st.sampled_from(["2026-11-22", "2026-11-23", "0001-01-01", "yesterday"]),
    "DateTime": st.sampled_from(["2026-11-22T16:03:00Z", "yesterday"]),
}
for name, strategy in STRINGS.items():
    schemathesis.graphql.scalar(name, strategy.map(nodes.String))


@pytest.fixture(scope="module")
def schema() -> Any:
    return schemathesis.graphql.from_file(load_sdl())


@pytest.mark.parametrize("field", [*QUERIES, *MUTATIONS])
def test_every_operation_that_the_schema_allows_is_answered(schema: Any, bank: Server, field: str) -> None:
    root = "Query" if field in QUERIES else "Mutation"

    @given(case=schema[root][field].as_strategy())
    @hypothesis.settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case[Any]) -> None:
        headers = {"Accept": "application/graphql-response+json"}
        response = session.post(f"{bank.url}/graphql", json={"query": str(case.body)}, headers=headers, timeout=10)
        assert response.status_code in {200, 400, 401, 403, 413}, case.body
        answer = response.json()
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert "INTERNAL" not in codes, case.body
        assert "data" in answer or codes

    with requests.Session() as session:
        send()


@pytest.fixture
def bank(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Server]:
    environment: dict[str, Any] = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    with serving(tmp_path / "log", **environment) as server:
        yield server
