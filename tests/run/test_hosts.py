"""What host rules mean, and which are refused with advice."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from x07py.errors import RunError
from x07py.run.hosts import parse_host, read_host_file
from x07py.sandbox.network import Address, AddressRules, mapped


def permits(allow: list[str], deny: list[str], host: str, port: int) -> bool:
    rules = AddressRules(
        tuple(one for text in allow for one in parse_host(text, "test").ranges),
        tuple(one for text in deny for one in parse_host(text, "test", deny=True).ranges),
    )
    return rules.permits(Address(mapped(ip_address(host).packed), port))


@pytest.mark.parametrize(
    ("rule", "host", "port"),
    [
        ("127.0.0.1:9092", "127.0.0.1", 9092),
        ("127.0.0.1:9092", "::ffff:127.0.0.1", 9092),
        ("127.0.0.1:80,9092-9094", "127.0.0.1", 9093),
        ("10.0.0.0/8:5672", "10.200.3.4", 5672),
        ("[::1]:9092", "::1", 9092),
        ("[2001:db8::/32]:443", "2001:db8:1::9", 443),
        ("localhost:9092", "127.0.0.1", 9092),
        ("LOCALHOST:9092", "127.0.0.1", 9092),
    ],
)
def test_a_rule_allows_what_it_means(rule: str, host: str, port: int) -> None:
    assert permits([rule], [], host, port)
    assert not permits([rule], [], host, port + 1000)


@pytest.mark.parametrize(
    ("deny", "host"),
    [
        ("10.1.0.0/16:*", "10.1.2.3"),
        ("[::ffff:10.1.2.3]:9092", "10.1.2.3"),
        ("10.1.2.3:9000-9100", "10.1.2.3"),
    ],
)
def test_deny_wins_by_meaning(deny: str, host: str) -> None:
    assert not permits(["10.0.0.0/8:9092"], [deny], host, 9092)
    assert permits(["10.0.0.0/8:9092"], [deny], "10.9.9.9", 9092)


def test_a_range_of_ipv6_does_not_speak_of_ipv4() -> None:
    assert permits(["[::/0]:443"], [], "2001:db8::1", 443)
    assert not permits(["[::/0]:443"], [], "203.0.113.9", 443)
    assert permits(["[::ffff:203.0.113.0/120]:443"], [], "203.0.113.9", 443)


def test_unspecified_addresses_and_port_0_are_never_reached() -> None:
    assert not permits(["127.0.0.0/8:1-65535", "[::/8]:80"], [], "0.0.0.0", 80)
    assert not permits(["127.0.0.0/8:1-65535"], [], "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("example.com", "add the port"),
        ("", "add the port"),
        ("api.*.example.com:443", "wildcard"),
        ("https://example.com:443", "scheme"),
        ("kafka://broker.example", "broker.example:9092"),
        ("https://user@example.com/a?b", "example.com:443"),
        ("http://example.com", "scheme"),
        ("http://example.com/a", "scheme"),
        ("kafka://broker.example", ": broker.example:9092"),
        ("amqps://user:word@broker.example/v", ": broker.example:5671"),
        ("::1:443", "brackets"),
        ("2001:db8::1", "brackets"),
        ("h:0", "1 to 65535"),
        ("h:70000", "1 to 65535"),
        ("h:+443", "1 to 65535"),
        ("h:90-80", "1 to 65535"),
        ("h:80,,81", "1 to 65535"),
        ("h:*", "--deny-host only"),
        ("0.0.0.0:80", "connection can go to"),
        ("[fe80::1]:80", "network interface"),
        ("[fe80::1%lo]:80", "network interface"),
        ("[::]:80", "connection can go to"),
        ("224.0.0.1:80", "connection can go to"),
        ("127.1:80", "HOST:PORT"),
        ("10.0.0.1/8:80", "HOST:PORT"),
        ("[127.0.0.1]:80", "brackets"),
        ("[ ]:443", "HOST:PORT"),
        ("a b:80", "HOST:PORT"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_the_right_form(text: str, advice: str) -> None:
    with pytest.raises(RunError) as caught:
        parse_host(text, "--allow-host")
    assert caught.value.code == "X07RUN_HOST"
    assert advice in str(caught.value.hint)


def test_a_name_without_address_is_refused() -> None:
    with pytest.raises(RunError) as caught:
        parse_host("no-such-host.invalid:80", "--allow-host")
    assert caught.value.code == "X07RUN_HOST_UNRESOLVED"


def test_host_files_have_comments_and_line_numbers(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("# brokers\n127.0.0.1:9092  # first\n\nbad\n")
    with pytest.raises(RunError) as caught:
        read_host_file(file)
    assert caught.value.where == f"{file}:4"
    file.write_text("127.0.0.1:9092 # first\n")
    assert [rule.text for rule in read_host_file(file)] == ["127.0.0.1:9092"]
    with pytest.raises(RunError) as caught:
        read_host_file(tmp_path / "none")
    assert caught.value.code == "X07RUN_FILE"
