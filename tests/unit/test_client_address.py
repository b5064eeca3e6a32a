"""The address of a client: only forwarded addresses from trusted proxies are used."""

from ipaddress import ip_network

import pytest

from bank.api.middleware.client_address import client_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("::1/128")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "sender"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        # The peer is not a trusted proxy, so its header is ignored.
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::1", ["2001:db8::7"], "2001:db8::7"),
        # Two trusted proxies in a row, with one header or with two.
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        # The text of the client is before the address that the trusted proxy added.
        ("10.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        # Addresses with a port, in brackets, with a zone, in quotation marks, mapped, or with empty elements.
        ("10.0.0.1", ["203.0.113.7:51234"], "203.0.113.7"),
        ("10.0.0.1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["2001:DB8:0::7"], "2001:db8::7"),
        ("10.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["[::ffff:203.0.113.7]:80"], "203.0.113.7"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("10.0.0.1", ["[fe80::1%25eth0]:443"], "fe80::1"),
        ("10.0.0.1", ['"[2001:db8::7]:443"'], "2001:db8::7"),
        ("10.0.0.1", ["\t203.0.113.7 :51234"], "10.0.0.1"),
        ("10.0.0.1", [" 203.0.113.7:51234\t, , 10.0.0.2:80 ,"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7:1", "", "10.0.0.2:2,10.0.0.3:3"], "203.0.113.7"),
        ("10.0.0.1", ["203.0.113.7:"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7:port"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.700:1"], "10.0.0.1"),
        ("10.0.0.1", ["[203.0.113.7]:1"], "203.0.113.7"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", ["198.51.100.1"], ""),
        (None, ["198.51.100.1"], None),
    ],
)
def test_the_client_address_is_the_last_one_that_is_not_a_trusted_proxy(
    peer: str | None, forwarded_for: list[str], sender: str | None
) -> None:
    assert client_address(peer, forwarded_for, TRUSTED) == sender


def test_forwarded_addresses_are_ignored_without_trusted_proxies() -> None:
    assert client_address("10.0.0.1", ["198.51.100.1"], []) == "10.0.0.1"
