"""``x07 completion``: what bash, zsh and fish need to complete command lines of ``x07``."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from x07py.cli.commands import Commands, argument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import typer

_PLAIN = re.compile(r"[\w./@%+=,][\w./@%+=,-]*")

app: Commands = Commands()


class Shell(StrEnum):
    """Shells that completion is there for."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


@app.command()
def completion(shell: Annotated[Shell, argument(help="The shell.", show_default=False)]) -> None:
    """Print the lines that make a shell complete commands, options, profiles and cassettes.

    Example: eval "$(x07 completion bash)"
    """
    from typer._completion_shared import get_completion_script

    for name in ("x07", "x07py"):
        sys.stdout.write(get_completion_script(prog_name=name, complete_var=variable(name), shell=shell.value) + "\n")


def variable(program: str) -> str:
    """Return the variable by which a shell asks `program` for completions."""
    return f"_{program.upper()}_COMPLETE"


def complete(program: str, groups: Mapping[str, str], line: str) -> None:
    """Answer a shell that asks for completions, and exit; the variables that it set say what for.

    Args:
        program: ``x07`` or ``x07py``.
        groups: the help line of every command group, by name.
        line: the command line so far; only the group that it names is imported.
    """
    from typer import Typer
    from typer._completion_classes import completion_init
    from typer.main import get_command

    completion_init()
    root = Typer(add_completion=False)
    root.callback()(_nothing)
    command: Any = get_command(root)
    named = line.split()[1:2]
    for name, about in groups.items():
        wanted = named == [name]
        command.add_command(
            get_command(import_module(f"x07py.cli.{name}").app.typer() if wanted else _stub(about)), name
        )
    command.main(args=[], prog_name=program, complete_var=variable(program), standalone_mode=True)


def _nothing() -> None: ...


def _stub(about: str) -> typer.Typer:
    from typer import Typer

    stub = Typer(add_completion=False)
    stub.command(help=about)(_nothing)
    return stub


def cassettes(incomplete: str) -> list[str]:
    """Return the cassettes of the project that start with `incomplete`."""
    from x07py.contracts.loader import find_root
    from x07py.rr.cassette_files import FOLDER

    folder = find_root() / FOLDER
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.bin") if path.is_file()]
    return plain(names, incomplete)


def profiles(incomplete: str) -> list[str]:
    """Return the profiles of `x07 run` that start with `incomplete`; none if the manifest cannot be read."""
    from x07py.errors import X07Error
    from x07py.run.profile import find_project_to_run

    try:
        return plain(find_project_to_run().profiles, incomplete)
    except X07Error:
        return []


def plain(names: Iterable[str], incomplete: str) -> list[str]:
    """Return the names that no shell reads anything into; bash puts a completion on the line as it is."""
    return sorted(name for name in names if name.startswith(incomplete) and _PLAIN.fullmatch(name))
