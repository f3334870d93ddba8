"""Large messages: they go on as they come, and stand on the cassette whole."""

from __future__ import annotations

import contextlib
import signal
import socket
from pathlib import Path
from typing import Any

from pamqp import commands
from pamqp.header import ProtocolHeader

from tests.wire.test_listen import Command, project
from x07py.msg import Envelope
from x07py.rr import Cassette
from x07py.wire.amqp.frames import marshal
from x07py.wire.amqp.values import frames_of

BODY = bytes(range(256)) * 2**14
"""4 MiB, in many frames."""


def framed(*parts: Any, channel: int = 1) -> bytes:
    return b"".join(marshal(channel, *parts))


def receive(source: socket.socket, size: int) -> bytes:
    """Return the next `size` bytes, or fewer if no more come in a minute."""
    source.settimeout(60)
    got = bytearray()
    while len(got) < size and (data := source.recv(size - len(got))):
        got += data
    return bytes(got)


def test_a_message_goes_on_before_all_of_it_has_come(tmp_path: Path) -> None:
    opening = framed(ProtocolHeader(), channel=0) + framed(commands.Channel.Open())
    content = frames_of(commands.Basic.Properties(), BODY, 131_072)
    publish = framed(commands.Basic.Publish(routing_key="large"), *content)
    get = framed(commands.Basic.Get(queue="large"))
    got = framed(commands.Basic.GetOk(1, False, "", "large", 0), *content)
    with socket.create_server(("127.0.0.1", 0)) as server, project(tmp_path):
        server.settimeout(60)
        upstream = f"127.0.0.1:{server.getsockname()[1]}"
        between = Command(tmp_path, "record", "large.x07rr.bin", "--upstream", upstream)
        server.accept()[0].close()  # it looked whether anybody is there
        host, _, port = between.address.rpartition(":")
        with contextlib.ExitStack() as stack:
            program = stack.enter_context(socket.create_connection((host, int(port))))
            program.sendall(opening)  # the broker is sought for who speaks its protocol
            broker = stack.enter_context(server.accept()[0])
            begun = len(publish) - 200_000
            program.sendall(publish[:-1])
            assert receive(broker, len(opening) + begun) == opening + publish[:begun]
            program.sendall(publish[-1:] + get)
            assert receive(broker, len(publish) - begun + len(get)) == publish[begun:] + get
            broker.sendall(got[:-1])
            assert receive(program, begun) == got[:begun]
            broker.sendall(got[-1:])
            assert receive(program, len(got) - begun) == got[begun:]
            program.close()  # before the broker, whose end would be recorded
            assert broker.recv(1) == b""
        assert between.end(signal.SIGTERM) == 0, between.lines
    entries = Cassette.load(tmp_path / ".x07_rr" / "large.x07rr.bin").entries
    assert [entry.op.rpartition(".")[2] for entry in entries] == ["publish_env_v1", "get_env_v1"]
    assert Envelope.decode(entries[0].req).value == BODY
    assert BODY in entries[1].resp
