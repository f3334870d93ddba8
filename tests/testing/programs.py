"""Programs that were not written here: taken from the READMEs that installed packages carry, recorded and replayed."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

from tests.support.project import x07

NOWHERE = "127.0.0.1:1"
IDLE_REPLAY = "2"
"""Seconds without traffic after which a replay is interrupted: nothing has to be waited for in it."""


def programs(package: str) -> list[str]:
    """Return the Python programs in a package's README."""
    text = metadata(package)["Description"] or str(metadata(package).get_payload())  # type: ignore[attr-defined]
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def readme(package: str, needle: str) -> str:
    """Return the first Python program in a package's README that contains `needle`."""
    return next(text for text in programs(package) if needle in text)


def prove(folder: Path, program: Path, broker: str, *options: str, idle: str | None = None) -> str:
    """Record a program, replay it without a broker, and return what it printed both times.

    Lines that start with a date are logs and left out.

    The word BROKER in the program's text stands for the broker's address. A program that never ends is interrupted
    after `idle` seconds without traffic when it is recorded; all others must end with 0 by themselves.
    """
    text = program.read_text()
    outputs = []
    for mode, address, seconds in (("once", broker, idle), ("none", NOWHERE, IDLE_REPLAY)):
        ends = () if idle is None else ("--until-idle", seconds)
        program.write_text(text.replace("BROKER", address))
        taped = ("--cassette", f"{program.stem}.x07rr.bin", "--mode", mode, *ends, *options)
        done = x07("rr", "exec", *taped, "--", "python", str(program), cwd=folder)
        assert "error[" not in done.stderr, done.stderr
        assert "sitecustomize" not in done.stderr
        assert idle is not None or done.returncode == 0, done.stderr
        outputs.append(re.sub(r"^\d{4}-\d\d-\d\d .*\n", "", done.stdout, flags=re.MULTILINE))
    assert outputs[0] == outputs[1]
    return outputs[0]


def write(folder: Path, name: str, text: str) -> Path:
    """Write a program and return its path."""
    path = folder / f"{name}.py"
    path.write_text(text)
    return path
