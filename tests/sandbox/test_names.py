"""Names that no file of the machine knows: granted ones are answered, others are told, with namespaces and without."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Listeners, drive
from tests.sandbox.test_launch import ANYBODY, PYTHON

LOOKS_UP = """
import socket, sys
for name in sys.argv[2:]:
    try:
        with socket.create_connection((name, int(sys.argv[1])), timeout=5) as one:
            print(name, one.getpeername()[0])
    except OSError as error:
        print(name, type(error).__name__)
"""


def look_up(
    listeners: Listeners, names: dict[str, list[str]], *asked: str, **how: Any
) -> tuple[dict[str, Any], list[str]]:
    outcome, text = drive(
        argv=[PYTHON, "-c", LOOKS_UP, str(listeners.allowed), *asked],
        port=listeners.allowed,
        names=names,
        env={"RES_OPTIONS": "use-vc"},
        read=["/etc/resolv.conf", "/etc/nsswitch.conf"],
        **({"namespaces": True, "uid": None} | how),
    )
    return outcome, text.splitlines()


@ANYBODY
@pytest.mark.parametrize("emulate", [[], ["docker"], ["bare_user_namespaces"], ["docker", "no_reading_by_call"]])
def test_a_granted_name_is_reached_and_another_is_told(
    listeners: Listeners, uid: int | None, emulate: list[str]
) -> None:
    outcome, lines = look_up(
        listeners, {"kafka": ["127.0.0.1"]}, "kafka", "KAFKA", "other.kafka", uid=uid, emulate=emulate
    )
    assert lines == ["kafka 127.0.0.1", "KAFKA 127.0.0.1", "other.kafka gaierror"], outcome
    assert [(one["kind"], one["target"]) for one in outcome["denials"]] == [("resolve", "other.kafka")]
    assert listeners.unexpected() == set()


def test_a_name_grants_no_other_port_nor_another_address_of_its_machine(listeners: Listeners) -> None:
    outcome, lines = look_up(listeners, {"kafka": ["127.0.0.2"]}, "kafka", "127.0.0.3")
    assert lines == ["kafka PermissionError", "127.0.0.3 PermissionError"]  # the address alone is no grant
    assert listeners.unexpected() == set()
    assert {one["kind"] for one in outcome["denials"]} == {"connect"}


def test_names_below_a_wildcard_are_allowed_when_they_are_looked_up(listeners: Listeners) -> None:
    """The grant has no address; the one that `localhost` stands for is reached after the look-up alone."""
    outcome, lines = look_up(listeners, {"*localhost": []}, "localhost", "localhost.example")
    assert lines[0].startswith("localhost 127.0.0.1")
    assert lines[1] == "localhost.example gaierror"
    assert [one["target"] for one in outcome["denials"]] == ["localhost.example"]


GARBAGE = """
import os, socket, struct, sys
server = next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))
for data in (b"", bytes(1), bytes(12), os.urandom(40), bytes(11) + b"\\x01" + b"\\xc0" * 40, b"\\x3f" * 600):
    with socket.create_connection((server, 53), timeout=5) as one:
        one.sendall(struct.pack("!H", len(data)) + data)
        one.shutdown(socket.SHUT_WR)
        one.recv(100)
print(socket.gethostbyname("kafka"))
"""


def test_queries_that_are_none_end_their_connection_alone(listeners: Listeners) -> None:
    outcome, text = drive(
        argv=[PYTHON, "-c", GARBAGE],
        port=listeners.allowed,
        names={"kafka": ["127.0.0.1"]},
        env={"RES_OPTIONS": "use-vc"},
        read=["/etc/resolv.conf", "/etc/nsswitch.conf"],
        namespaces=True,
        uid=None,
    )
    assert text == "127.0.0.1\n", outcome
