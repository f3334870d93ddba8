"""Commands of the documentation: `console` blocks are run as they stand, all others have to be commands that exist."""

from __future__ import annotations

import re
import shlex
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.docs.pages import PAGES, Shell, blocks, marked, missing_line
from tests.live import SKIP, SKIPPED
from tests.project import EXAMPLE, REPOSITORY, x07
from x07py.cli.entry import COMMANDS

CONSOLE = [page for page in PAGES if any(block.kind == "console" for block in blocks(page))]
_PLACEHOLDERS = {"NUMBER": "1", "SECONDS": "1", "N": "2"}


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", CONSOLE, ids=name_of)
def test_console_blocks_do_what_they_show(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if marked(page, "broker") and SKIP:
        pytest.skip(SKIPPED)
    for name in ("X07_WORLD", "X07_RR_MODE", "X07_RR_CASSETTE", "X07_RR_POLICY", "X07_KAFKA_LOCAL_DEV_V1"):
        monkeypatch.delenv(name, raising=False)
    shell = Shell(start(page, tmp_path))
    try:
        for block in blocks(page):
            for command in block.commands() if block.kind == "console" and "not run:" not in block.marks else ():
                code, output = shell.run(command.line)
                assert code in command.codes, (command.line, output)
                lost = missing_line(command.output, output)
                assert lost is None, f"{command.line}\nshall print {lost!r} and prints\n{output}"
                assert "Traceback" not in output
    finally:
        for kind in ("kafka", "amqp"):
            shell.run(f"x07 broker down {kind}")
        shell.close()


def start(page: Path, folder: Path) -> Path:
    """Return the folder that the commands of a page start in."""
    match marked(page, "setup"):
        case "worker":
            assert x07("init", "orders", cwd=folder).returncode == 0
            return folder / "orders"
        case "contracts":
            shutil.copytree(EXAMPLE / "arch", folder / "arch")
        case "here":
            shutil.copytree(page.parent, folder, dirs_exist_ok=True)
        case other:
            assert other is None, other
    return folder


def lines_of(page: Path) -> list[str]:
    """Return the command lines of ``x07`` and ``make`` that a page shows, in blocks and in running text."""
    shown = []
    for block in blocks(page):
        if block.kind in {"", "console", "bash", "sh"}:
            text = block.text.replace("\\\n", " ")
            shown += [line.removeprefix("$ ").strip() for line in text.splitlines()]
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    shown += [found.replace("\n", " ") for found in re.findall(r"`([^`]+)`", prose)]
    return [line for line in shown if re.match(r"(x07|make|pytest) \S", line)]


def refusal(line: str) -> str | None:
    """Return why a command line of ``x07`` cannot be meant; what stands for a value of the reader's is no fault."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    words = [_PLACEHOLDERS.get(word, word) for word in words[1:]]
    for end in ("|", ">", "&", "&&", ";"):
        words = words[: words.index(end)] if end in words else words
    if not words or words[0].startswith("--") or not re.fullmatch("[a-z]+", words[0]):
        return None
    if words[0] not in COMMANDS:
        return f"no command {words[0]}"
    command: Any = get_command(import_module(f"x07py.cli.{words[0]}").app)
    rest = words[1:]
    while hasattr(command, "commands"):
        if not rest:
            return None
        if rest[0] not in command.commands:
            return None if rest[0].startswith(("--help", "…")) else f"no command {rest[0]}"
        command, rest = command.commands[rest[0]], rest[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    own = rest[: rest.index("--")] if "--" in rest else rest
    unknown = [word for word in own if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known | {"--help"}]
    return f"no option {unknown[0]}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_exists(page: Path) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) | {"record"}
    for line in lines_of(page):
        if line.startswith("x07 "):
            assert refusal(line) is None, line
        elif line.startswith("make "):
            target = line.split()[1]
            assert target in targets or target.startswith("bench-"), line


def test_what_does_not_exist_would_be_found() -> None:
    assert refusal("x07 rr shwo a") == "no command shwo"
    assert refusal("x07 rum --profile a") == "no command rum"
    assert refusal("x07 run --alow-host a -- --count 3") == "no option --alow-host"
    assert refusal("x07 run --allow-host a -- --count 3") is None
    assert missing_line(("a...c", "d"), "x\nabc\nd\n") is None
    assert missing_line(("d", "a...c"), "x\nabc\nd\n") == "a...c"
