"""Secrets come from the environment or a folder, and are registered so that no cassette can hold them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from keyring.errors import KeyringLocked
from keyrings.alt.file import PlaintextKeyring

from x07py import Envelope, open_driver
from x07py.drivers.secrets import resolve_secret
from x07py.errors import CassetteError, DriverError
from x07py.rr import session
from x07py.rr.guard import refuse_secrets


def test_the_environment_wins_over_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    (tmp_path / "a.b-c").write_text("from the folder\n")
    assert resolve_secret("a.b-c") == "from the folder"
    with pytest.raises(CassetteError) as caught:
        refuse_secrets(b"...from the folder...")
    assert caught.value.code == 2056
    monkeypatch.setenv("X07_SECRET_A_B_C", "from the environment")
    assert resolve_secret("a.b-c") == "from the environment"


@pytest.mark.parametrize(
    "secret_id", ["missing", "", "../etc/passwd", "a/b", ".hidden", "unreadable", "binary", "empty", "open"]
)
def test_what_is_not_there_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret_id: str
) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "open").write_text("anybody's")
    (tmp_path / "open").chmod(0o666)
    with pytest.raises(DriverError) as caught:
        resolve_secret(secret_id)
    assert caught.value.code == 9631
    assert caught.value.hint


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_final_line_break_is_not_part_of_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    for text in ("a word", "two\nlines", " spaces ", "broken\n"):
        (tmp_path / "ends").write_bytes(f"{text}{ending}".encode())
        (tmp_path / "ends").chmod(0o444)
        assert resolve_secret("ends") == (text.removesuffix("\n") if not ending else text)


def test_a_secret_may_be_a_link_as_orchestrators_mount_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "linked").write_text("behind a link")
    (tmp_path / "linked").symlink_to("..data/linked")
    assert resolve_secret("linked") == "behind a link"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(DriverError, match="the folder is not there") as caught:
        resolve_secret("any")
    assert caught.value.where == str(tmp_path / "elsewhere")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_file_that_this_user_may_not_read(tmp_path: Path) -> None:
    """Root may read everything, so a child of another user tries."""
    file = tmp_path / "closed"
    file.write_text("not for others")
    file.chmod(0o600)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for folder in (tmp_path, *tmp_path.parents[:-2]):
                folder.chmod(0o755)
            os.environ["X07_SECRETS_DIR"] = str(tmp_path)
            os.setresuid(65534, 65534, 65534)
            resolve_secret("closed")
        except DriverError as error:
            os.write(writer, f"{error.code} {error.message}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1000).decode() == "9631 the secret 'closed' cannot be read: Permission denied"


@pytest.fixture
def keyring_file(tmp_path: Path) -> Iterator[PlaintextKeyring]:
    """A real keyring in a file, as the one in use."""
    before = keyring.get_keyring()
    backend = PlaintextKeyring()
    backend.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_the_keyring_comes_last(
    keyring_file: PlaintextKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.set_password("x07", "kept", "from the keyring")
    assert resolve_secret("kept") == "from the keyring"
    with pytest.raises(CassetteError):
        refuse_secrets(b"...from the keyring...")
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    (tmp_path / "kept").write_text("from the folder")
    assert resolve_secret("kept") == "from the folder"
    with pytest.raises(DriverError, match="nowhere to be found"):
        resolve_secret("never.kept")


def test_a_keyring_that_is_locked_says_so(keyring_file: PlaintextKeyring) -> None:
    class Locked(PlaintextKeyring):  # type: ignore[misc]
        def get_password(self, *_: str) -> str:
            raise KeyringLocked

    keyring.set_keyring(Locked())
    with pytest.raises(DriverError, match=r"cannot be read: the keyring does not give it \(KeyringLocked\)"):
        resolve_secret("kept")


def test_without_a_backend_the_keyring_is_no_source(keyring_file: PlaintextKeyring) -> None:
    keyring.set_keyring(keyring.backends.fail.Keyring())
    with pytest.raises(DriverError, match="nowhere to be found"):
        resolve_secret("kept")


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.mark.live
async def test_planted_secrets_show_nowhere(
    on_amqp: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    planted = "pl4nted-s3cret-value"
    monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", planted)
    with caplog.at_level(logging.DEBUG), session(cassette="s.x07rr.bin", mode="record"):
        async with open_driver("amqp", profile="local_dev_v1") as driver:
            with pytest.raises(DriverError) as caught:
                await driver.publish(Envelope("t", b"k", b"v"))
    assert caught.value.code == 9853
    written = contents(on_amqp)
    assert b"9853" in written
    out = capfd.readouterr()
    seen = caplog.text + out.out + out.err + repr(caught.value) + str(caught.value.__context__)
    assert planted not in seen
    assert planted.encode() not in written
