"""Secrets come from the environment or a folder, and are registered so that no cassette can hold them."""

from __future__ import annotations

from pathlib import Path

import pytest

from x07py.drivers.secrets import resolve_secret
from x07py.errors import CassetteError, DriverError
from x07py.rr.sanitize import refuse_secrets


def test_the_environment_wins_over_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    (tmp_path / "a.b-c").write_text("from the folder\n")
    assert resolve_secret("a.b-c") == "from the folder"
    with pytest.raises(CassetteError) as caught:
        refuse_secrets(b"...from the folder...")
    assert caught.value.code == 2056
    monkeypatch.setenv("X07_SECRET_A_B_C", "from the environment")
    assert resolve_secret("a.b-c") == "from the environment"


@pytest.mark.parametrize("secret_id", ["missing", "", "../etc/passwd", "a/b", ".hidden", "unreadable", "binary"])
def test_what_is_not_there_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret_id: str
) -> None:
    monkeypatch.setenv("X07_SECRETS_DIR", str(tmp_path))
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(DriverError) as caught:
        resolve_secret(secret_id)
    assert caught.value.code == 9631
    assert caught.value.hint
