"""Pages of the documentation as tests read them: blocks, markers, links, and a shell that runs `console` blocks.

A fenced block ``console`` holds commands after ``$`` and, below each, lines that its output must hold in this order;
``...`` stands for anything. ``# exit N`` or ``# exit N or M`` behind a command is its exit code. Comments before a
block say ``<!-- setup: NAME -->`` (the project that the page starts in, see `projects`), ``<!-- broker: KIND -->`` (the
broker that the profile leads to: ``embedded``, ``amqp``; ``own``: the page starts a native one, with the live tests) or
 ``<!-- into: FILE -->`` (the reader puts the block into that file).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.project import REPOSITORY

PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
_FENCE = re.compile(
    r"^(?P<mark>(?:<!--[^\n]*-->\n)*)^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_INDENTED = re.compile(r"(?:^|\n)\n(?P<text>(?:    [^\n]+\n)+)", re.MULTILINE)
_EXIT = re.compile(r"\s+# exit (?P<codes>\d+(?: or \d+)*)$")
_COMMENT = re.compile(r"\s+# .*$")
_END = "--end of command--"
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a `console` block: where it stands, what it may exit with, and what it prints."""

    line: str
    codes: tuple[int, ...]
    output: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code: its language (empty for none), its text, and the comments right before it."""

    kind: str
    text: str
    marks: str

    def commands(self) -> Iterator[Command]:
        """Yield the commands of a `console` block."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip():
                found[-1][1].append(line)
        for line, output in found:
            code = _EXIT.search(line)
            codes = tuple(map(int, code["codes"].split(" or "))) if code else (0,)
            yield Command(_COMMENT.sub("", line), codes, tuple(output))


def blocks(page: Path) -> list[Block]:
    """Return the fenced and the indented blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    fenced = [(found.start(), Block(found["kind"], found["text"], found["mark"])) for found in _FENCE.finditer(text)]
    plain = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    indented = [(0, Block("", textwrap.dedent(found["text"]), "")) for found in _INDENTED.finditer(plain)]
    return [block for _, block in fenced + indented]


def marked(page: Path, name: str) -> str | None:
    """Return what the first comment ``<!-- name: … -->`` of a page says."""
    found = re.search(rf"<!-- {name}: (.+?) -->", page.read_text(encoding="utf-8"))
    return found[1] if found else None


class Shell:
    """A bash that runs one command after the other and keeps its variables, with the tools of this environment."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        hidden = {"PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"}
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        path = f"{Path(sys.executable).parent}:{env['PATH']}"
        self.process = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**env, "PATH": path, "COLUMNS": "120", **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, line: str) -> tuple[int, str]:
        """Return a command's exit code and all that it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        bounded = (
            line if line.startswith(("cd ", "export ", "source ")) else f"timeout {TIMEOUT_S} bash -c {_quote(line)}"
        )
        self.process.stdin.write(f"{bounded} </dev/null\nlast=$?; echo; echo {_END} $last\n")
        self.process.stdin.flush()
        seen: list[str] = []
        for row in self.process.stdout:
            if row.startswith(_END):
                return int(row.split()[-1]), "".join(seen)
            seen.append(row)
        raise AssertionError(f"the shell ended at {line!r}:\n{''.join(seen)}")

    def close(self) -> None:
        """End the shell."""
        self.process.communicate(timeout=60)


def _quote(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


def missing_line(expected: tuple[str, ...], output: str) -> str | None:
    """Return the first expected line that the output does not hold after the ones before it."""
    rows = iter(output.splitlines())
    for line in expected:
        pattern = ".*".join(map(re.escape, line.strip().split("...")))
        if line.strip() != "..." and not any(re.fullmatch(pattern, row.strip()) for row in rows):
            return line
    return None
