"""Commands of the documentation: `console` blocks are run as they stand, all others have to be commands that exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.docs.not_run import LONG, NOT_RUN
from tests.docs.pages import PAGES, Command, Shell, blocks, marked, missing_line
from tests.docs.projects import SETUPS, put
from tests.support.campaign import CAMPAIGN
from tests.support.live import SKIP, SKIPPED
from tests.support.project import REPOSITORY
from x07py.cli.main import COMMANDS

CONSOLE = [page for page in PAGES if any(block.kind == "console" for block in blocks(page))]
_PLACEHOLDERS = {"NUMBER": "1", "SECONDS": "1", "N": "2"}
_PYTHON = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_HIDDEN = ("X07_WORLD", "X07_RR_MODE", "X07_RR_CASSETTE", "X07_RR_POLICY", "X07_KAFKA_LOCAL_DEV_V1")


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def commands_of(page: Path) -> Iterator[Command]:
    for block in blocks(page):
        yield from block.commands() if block.kind == "console" else ()


@pytest.mark.parametrize("page", [page for page in CONSOLE if CAMPAIGN or name_of(page) not in LONG], ids=name_of)
def test_console_blocks_do_what_they_show(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in _HIDDEN:
        monkeypatch.delenv(name, raising=False)
    shell = Shell(folder := SETUPS[marked(page, "setup")](page, tmp_path), broker(page, request))
    try:
        for block in blocks(page):
            if into := re.search("<!-- into: (.+) -->", block.marks):
                put(block, folder / into[1])
            for command in block.commands() if block.kind == "console" else ():
                if (name_of(page), command.line) not in NOT_RUN:
                    check(shell, command)
    finally:
        if any("x07 broker up" in command.line for command in commands_of(page)):
            for kind in ("kafka", "amqp"):
                shell.run(f"x07 broker down {kind}")
        shell.close()


def test_a_guide_grants_each_broker_its_usual_port() -> None:
    shown = [command.line for command in commands_of(REPOSITORY / "docs/guide/sandbox-brokers.md")]
    for port in (9092, 5672):
        assert any(line.startswith(f"x07 run --profile sandbox --allow-host 127.0.0.1:{port} -- ") for line in shown)


def broker(page: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the variables that lead to the broker which a page's commands find running."""
    kind = marked(page, "broker")
    if kind in {"amqp", "own"} and SKIP:
        pytest.skip(SKIPPED)
    match kind:
        case "embedded":
            return {"X07_KAFKA_LOCAL_DEV_V1": request.getfixturevalue("embedded").bootstrap}
        case "amqp":
            secrets = {"X07_SECRET_RABBIT_USERNAME": "guest", "X07_SECRET_RABBIT_PASSWORD": "guest"}
            return {"X07_AMQP_LOCAL_DEV_V1": request.getfixturevalue("live_amqp").address, **secrets}
        case other:
            assert other in {None, "own"}, other
    return {}


def check(shell: Shell, command: Command) -> None:
    """Run a command and compare its exit code and output with what the page shows."""
    code, output = shell.run(command.line)
    assert code in command.codes, (command.line, output)
    lost = missing_line(command.output, output)
    assert lost is None, f"{command.line}\nshall print {lost!r} and prints\n{output}"
    assert "Traceback" not in output


def test_every_block_of_commands_is_one_that_is_run() -> None:
    words = re.compile(r"(\$ |x07 |make |pip |pytest|python3? |docker |cd |git |apt-get |source |export )")
    for page in PAGES:
        for block in blocks(page):
            lines = block.text.splitlines()
            shell = block.kind not in {"console", "python", "json", "toml", "yaml"}
            assert not (shell and any(words.match(line) for line in lines)), (name_of(page), block.text)
            assert block.kind != "console" or lines[0].startswith("$ "), (name_of(page), block.text)


def test_what_is_not_run_is_on_its_page() -> None:
    shown = {(name_of(page), command.line) for page in CONSOLE for command in commands_of(page)}
    assert set(NOT_RUN) - shown == set()
    assert {page for page, _ in shown} >= LONG


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_blocks_are_python_and_name_what_there_is(page: Path) -> None:
    for block in blocks(page):
        if block.kind == "python":
            for node in ast.walk(compile(block.text, name_of(page), "exec", _PYTHON)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "x07py":
                    assert node.module
                    module = import_module(node.module)
                    assert [one.name for one in node.names if not hasattr(module, one.name)] == []


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
    command: Any = get_command(import_module(f"x07py.cli.{words[0]}").app.typer())
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
    targets = set(re.findall(r"^([a-z0-9_-]+):", makefile, re.MULTILINE)) | {"record"}
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
