"""Bad input to a program as `x07 init` writes it: one line with a code, one that says what to do, and no traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.listeners import USER, Listeners
from x07py.errors import DriverError, UnreachableError
from x07py.scaffold.create import create_project

TEMPLATES = {"kafka": "worker", "amqp": "worker-amqp"}
WRONG = "a-wrong-passw0rd"
SECRETS = {"username_secret_id": "rabbit_username", "password_secret_id": "rabbit_password"}
NOWHERE = "127.0.0.1:1"


def change(file: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(file.read_text())
    edit(document)
    file.write_text(json.dumps(document))


def wrong_id(index: Path, kind: str) -> None:
    change(index, lambda document: document[kind][0].update(id="other_v1"))


def no_index(index: Path, kind: str) -> None:
    index.unlink()


def no_profile(index: Path, kind: str) -> None:
    change(index, lambda document: document.pop(kind))


def no_json(index: Path, kind: str) -> None:
    index.write_text("{,}")


def wrong_password(index: Path, kind: str) -> None:
    if kind == "kafka":
        security = {"sasl_mode": "plain_v1", "tls": False, **SECRETS}
        change(index, lambda document: document[kind][0].update(security=security))


def unreachable(index: Path, kind: str) -> None:
    pass


CASES: dict[Callable[[Path, str], None], tuple[int, int, str]] = {
    wrong_id: (9702, 9802, "there are: other_v1"),
    no_index: (9701, 9801, "contracts_project"),
    no_profile: (9701, 9801, "contracts_project"),
    no_json: (9501, 9501, "x07 arch check"),
    wrong_password: (9758, 9853, "check the secrets 'rabbit_username' and 'rabbit_password'"),
    unreachable: (9760, 9851, "x07 doctor"),
}


@pytest.mark.live
@pytest.mark.parametrize("kind", TEMPLATES)
def test_what_a_program_says_about_bad_input(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """All programs at once: one of them waits for the broker that is not there."""
    listeners: Listeners = request.getfixturevalue(f"{kind}_listeners")
    request.getfixturevalue(f"live_{kind}")
    address = listeners.address("SASL_PLAINTEXT" if kind == "kafka" else "PLAINTEXT")
    create_project(tmp_path / "shop", TEMPLATES[kind])
    running = {}
    for spoil in CASES:
        root = tmp_path / spoil.__name__
        shutil.copytree(tmp_path / "shop", root)
        spoil(root / "arch/msg/index.x07msg.json", kind)
        env = {
            **os.environ,
            "PYTHONPATH": "src",
            f"X07_{kind.upper()}_LOCAL_DEV_V1": NOWHERE if spoil is unreachable else address,
            "X07_SECRET_RABBIT_USERNAME": USER if kind == "kafka" else "guest",
            "X07_SECRET_RABBIT_PASSWORD": WRONG,
        }
        command = [sys.executable, "-m", "shop.worker", "send"]
        running[spoil] = subprocess.Popen(command, cwd=root, env=env, stderr=subprocess.PIPE, text=True)
    for spoil, process in running.items():
        said = process.communicate(timeout=300)[1]
        code, advice = CASES[spoil][kind == "amqp"], CASES[spoil][2]
        first, second = said.splitlines()
        assert first.startswith(f"error [{code}] "), said
        assert second.startswith("  help: "), said
        assert advice in second
        assert process.returncode == 1
        assert WRONG not in said


def test_a_traceback_of_a_program_that_catches_nothing_ends_with_what_to_do() -> None:
    try:
        raise UnreachableError(9760, "no broker answers", where="127.0.0.1:1", hint="is it up?")
    except DriverError as error:
        shown = traceback.format_exception(error)
    assert "".join(shown).endswith("UnreachableError: [9760] no broker answers (127.0.0.1:1)\nhelp: is it up?\n")
