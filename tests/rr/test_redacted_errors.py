"""What a replay says of a request that differs is redacted, and so is what an error of the broker says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rr.builders import config
from tests.wire.kafka.serving import RULES, ForeignTape
from x07py import Envelope
from x07py.errors import ReplayMismatchError
from x07py.rr import Mode, Session

SECRET = "tok-SECRETabcdef0123456789"


def test_the_error_of_a_mismatch_shows_redacted_messages(tmp_path: Path) -> None:
    old, new = (
        Envelope("t", b"k", b'{"n":%d,"password":"%s"}' % (number, SECRET.encode()), {"authorization": SECRET})
        for number in (1, 2)
    )
    with Session(config(Mode.RECORD), tmp_path) as session:
        tape = ForeignTape(session, RULES)
        tape.write_publish(tape.clean(old), b"ACK", {})
        tape.write_call("create", "q", {"arguments": {"token": SECRET}}, {"error": f"password={SECRET}"})
    assert SECRET.encode() not in (tmp_path / ".x07_rr" / "c.x07rr.bin").read_bytes()
    with Session(config(Mode.REPLAY), tmp_path, allow_unused=True) as session:
        tape = ForeignTape(session, RULES)
        with pytest.raises(ReplayMismatchError) as caught:
            tape.match_publish(tape.clean(new))
        assert SECRET not in str(caught.value) + repr(caught.value.__notes__)
        with pytest.raises(ReplayMismatchError) as caught:
            tape.recall("create", "q", {"arguments": {"token": SECRET, "other": 1}})
        assert SECRET not in str(caught.value) + repr(caught.value.__notes__)
        assert tape.recall("create", "q", {"arguments": {"token": "another"}}) is not None
