"""``X7RC`` and the names that a cassette may have."""

from __future__ import annotations

import pytest

from tests.support.damage import changed_bytes, truncations
from x07py.errors import CassetteError
from x07py.rr import Config, Match, Mode

WORKED = (
    bytes.fromhex("58375243 0100 0000 02 00 0000 0000000100000000 d0070000 00001000 00001000 00040000 1f000000")
    + b"kafka_publish_poll_v1.x07rr.bin"
)
CONFIG = Config(Mode.REPLAY, Match.LOOKUP, "kafka_publish_poll_v1.x07rr.bin", 16777216, 2000, 1048576, 1048576, 1024)


def test_worked_example() -> None:
    assert len(WORKED) == 71
    assert CONFIG.encode() == WORKED
    assert Config.decode(WORKED) == CONFIG


def test_damage() -> None:
    for damaged in (*truncations(WORKED), *changed_bytes(WORKED)):
        try:
            config = Config.decode(damaged)
        except CassetteError as error:
            assert error.code in {2000, 2001}
        else:
            assert config.encode()[:6] == damaged[:6]
    with pytest.raises(CassetteError) as caught:
        Config.decode(WORKED[:4] + b"\2" + WORKED[5:])
    assert caught.value.code == 2001


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "./a", "a/..", "..", ".x07_a", "a/.x07_b/c", "a\\b", "a\0b", "a/", "."]
)
def test_unsafe_names(name: str) -> None:
    with pytest.raises(CassetteError) as caught:
        Config(Mode.REPLAY, Match.LOOKUP, name, 0, 0, 0, 0, 0)
    assert caught.value.code == 2000


@pytest.mark.parametrize("name", ["record", "record_v1", "off", "replay_v1", "record_missing", "rewrite_v1"])
def test_mode_names(name: str) -> None:
    assert Mode.parse(name).contract_name.startswith(name.removesuffix("_v1"))
    with pytest.raises(CassetteError) as caught:
        Mode.parse(name + "x")
    assert caught.value.code == 2000
