"""The guide and the example, command by command, as a new user would type them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.project import REPOSITORY

BLOCK = re.compile(r"^```\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXIT = re.compile(r"\s+# exit (\d+)$")


def commands(page: Path) -> list[tuple[str, int]]:
    """Return the commands of a page's plain blocks with the exit code that they shall have."""
    lines = [line for block in BLOCK.findall(page.read_text(encoding="utf-8")) for line in block.splitlines() if line]
    return [(EXIT.sub("", line), int(found.group(1)) if (found := EXIT.search(line)) else 0) for line in lines]


def run_all(page: Path, folder: Path) -> str:
    """Run the commands of a page in order; return all that they printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    out = ""
    for command, code in commands(page):
        if command.startswith("cd "):
            folder = folder / command.removeprefix("cd ")
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        out += done.stdout + done.stderr
    return out


def test_the_guide(empty: Path) -> None:
    shown = run_all(REPOSITORY / "docs" / "guide" / "packages.md", empty)
    assert "X07PKG_CONFLICT" in shown
    assert "ext-msg-core 0.2.0 stays as a transitive package: ext-msg-amqp-c, ext-msg-kafka-c need it" in shown
    assert (empty / "pyproject.toml").read_text(encoding="utf-8").endswith("[tool.x07.dependencies]\n")
    assert "[[package]]" not in (empty / "x07.lock").read_text(encoding="utf-8")


def test_the_third_party_example(tmp_path: Path) -> None:
    example = REPOSITORY / "docs" / "examples" / "third_party_package"
    folder = tmp_path / "example"
    shutil.copytree(example, folder)
    shown = run_all(example / "README.md", folder)
    assert "order-ids 1.0.0 is in index (signed)" in shown
    assert "order 79927398713 is valid" in shown
