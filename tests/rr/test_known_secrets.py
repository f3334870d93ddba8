"""The guard knows what clients are given, whoever gives it to them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rr.builders import entry, opened
from x07py.errors import CassetteError
from x07py.rr import Mode, guard
from x07py.rr.guard import is_guarded
from x07py.rr.known_secrets import register_login, register_settings

SECRET = "correct-horse-battery"


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    before = dict(guard._secrets), list(guard._wanted)
    guard._secrets.clear()
    guard._wanted.clear()
    yield
    guard._secrets.clear()
    guard._secrets.update(before[0])
    guard._wanted[:] = before[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER_PASSWORD", SECRET),
        ("GITHUB_TOKEN", SECRET),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("DATABASE_URL", f"postgres://app:{SECRET}@db/app"),
        ("AMQP", "amqps://app:correct%2Dhorse%2Dbattery@rabbit.example:5671/"),
        ("KAFKA_JAAS", f'PlainLoginModule required username="u" password="{SECRET}";'),
    ],
    ids=["password", "token", "key", "url", "amqp", "jaas"],
)
def test_a_recording_does_not_hold_what_the_environment_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with opened(tmp_path, Mode.RECORD) as session:
        with pytest.raises(CassetteError) as caught:
            session.append(entry(req=b"it is " + base64.b64encode(SECRET.encode())))
        assert caught.value.code == 2056
        assert name in caught.value.message
        assert SECRET not in str(caught.value)


def test_a_recording_does_not_hold_what_secret_folders_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "kafka").write_text(SECRET + "\n")
    (folder / "folder").mkdir()
    (folder / "large").write_bytes(b"x" * 100_000)
    elsewhere = tmp_path / "token"
    elsewhere.write_text("another secret value")
    monkeypatch.setenv("X07_SECRETS_DIR", str(folder))
    monkeypatch.setenv("SERVICE_TOKEN_FILE", str(elsewhere))
    with opened(tmp_path, Mode.RECORD) as session:
        for value in (SECRET, "another secret value"):
            with pytest.raises(CassetteError):
                session.append(entry(req=value.encode()))
        session.append(entry(req=b"x" * 100_000))


def test_settings_of_clients() -> None:
    register_settings(
        {
            "bootstrap.servers": "kafka:9092",
            "sasl.username": "the-user-name",
            "sasl.password": SECRET,
            "ssl_key_password": "key password",
            "url": "amqp://u:in%20an%20address@h/",
            "sasl.jaas.config": 'Module required username="u" password="in a line of jaas";',
            "error_cb": print,
        }
    )
    for value in (SECRET, "key password", "in an address", "in a line of jaas"):
        assert is_guarded(value)
    assert not is_guarded("the-user-name")


@pytest.mark.parametrize(
    ("mechanism", "answer"),
    [
        ("PLAIN", b"\0user\0" + SECRET.encode()),
        ("PLAIN", b"other\0user\0" + SECRET.encode()),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer " + SECRET.encode() + b"\x01\x01"),
        ("AMQPLAIN", b"\x05LOGINS\0\0\0\x04user\x08PASSWORDS\0\0\0\x15" + SECRET.encode()),
    ],
)
def test_logins(mechanism: str, answer: bytes) -> None:
    register_login(mechanism, answer)
    assert is_guarded(SECRET)


def test_what_manuals_print_is_no_secret() -> None:
    register_settings({"sasl.password": "guest", "ssl.key.password": "changeit"})
    register_settings({"sasl.username": "same-as-the-user", "sasl.password": "same-as-the-user"})
    register_login("PLAIN", b"\0guest\0guest")
    register_login("SCRAM-SHA-256", b"n,,n=user,r=nonce")
    assert not guard._secrets
