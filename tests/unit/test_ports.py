"""Free ports, which no outgoing connection can take before the server listens."""

import socket

import pytest

from fixtures import ports
from fixtures.ports import PORTS, NoFreePortError, free_ports


def test_ports_are_different_and_below_those_of_outgoing_connections() -> None:
    found = free_ports(16)
    assert len(set(found)) == 16
    assert all(port in PORTS for port in found)
    assert PORTS.stop <= 32_768


def test_a_port_on_which_a_server_listens_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    [taken, free] = free_ports(2)
    monkeypatch.setattr(ports, "PORTS", (taken,))
    with (
        socket.create_server(("127.0.0.1", taken)),
        pytest.raises(NoFreePortError, match="0 were free, and 1"),
    ):
        free_ports(1)
    monkeypatch.setattr(ports, "PORTS", (free,))
    assert free_ports(1) == [free]
