"""Entry point of ``x07``: finds the command group, imports it alone, and turns errors into exit codes.

Importing Typer and rich costs a tenth of a second, and importing every group costs more; so this module reads the first
word itself and imports nothing until it knows which group is wanted.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.cli.commands import Commands
    from x07py.errors import X07Error

EXIT_USAGE = 2
HELP_COLUMNS = 80
"""Width of the help texts that are laid out already; on wider terminals Typer does not use more."""
EXIT_INTERRUPTED = 130

COMMANDS: dict[str, tuple[str, int]] = {
    "init": ("Make a project, or add x07 to one", 20),
    "msg": ("Encode and decode messages, list topics", 20),
    "rr": ("Look into, check, compare and repair cassettes", 20),
    "pkg": ("Add, lock, install and inspect packages", 20),
    "policy": ("Make, check and compare policies of the sandbox", 126),
    "run": ("Run a program, sandboxed or replaying", 126),
    "explore": ("Run a program in other histories of its broker", 20),
    "arch": ("Check imports, worlds and contracts", 3),
    "effects": ("Show what code reaches, and through which calls", 20),
    "broker": ("Start, find and stop development brokers", 20),
    "doctor": ("Show what this machine has for x07py", 20),
    "completion": ("Complete command lines in bash, zsh or fish", 2),
    "explain": ("Say what a code means and what to do", 2),
}
"""Each group's help line and its exit code for an `X07Error`."""
_OF_IMPORTS = (ImportError, SyntaxError, NameError, AttributeError, ValueError, TypeError, EOFError)
"""What importing a damaged module raises, or using one that lacks something."""


def main() -> NoReturn:
    """Run one ``x07`` command line and exit with its code."""
    try:
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        code = _guarded(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        _silence()
        code = EXIT_USAGE
    except OSError as error:
        _silence()
        sys.stderr.write(f"error[X07IO_WRITE]: cannot write the output: {error.strerror}\n  help: make room\n")
        code = EXIT_USAGE
    sys.exit(code)


def _guarded(args: list[str]) -> int:
    """Run a command line so that no code of the checkout runs in this process; exploring is what runs it."""
    if args[:1] == ["explore"]:
        return _dispatch(args)
    from x07py.cli.checkout import nothing_of_it_runs

    with nothing_of_it_runs():
        return _dispatch(args)


def _silence() -> None:
    """Give standard output away, so that the interpreter does not write to it once more as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(args: list[str]) -> int:
    if args == ["--version"]:
        from x07py._version import __version__

        _out(f"x07 {__version__}")
        return 0
    for program in ("x07", "x07py"):
        if f"_{program.upper()}_COMPLETE" in os.environ:
            from x07py.cli.completion import complete

            line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
            complete(program, {name: about for name, (about, _) in COMMANDS.items()}, line)
    if not args or args[0] in {"-h", "--help"}:
        _out(_overview())
        return 0 if args else EXIT_USAGE
    if args[-1] == "--help" and (text := _known_help(args[:-1])):
        sys.stdout.write(text)
        return 0
    if args in (["pkg", "lock", "--check"], ["pkg", "lock", "--locked"]):
        from x07py.cli.quick import lock_is_current

        if lock_is_current():
            _out("x07.lock is up to date")
            return 0
    if args == ["arch", "check"]:
        from x07py.cli.quick import check_architecture

        return _reported(check_architecture, args)
    if args[0] == "run":
        from x07py.cli.running import execute, parse

        if (asked := parse(args[1:])) is not None:
            return _reported(lambda: execute(asked), args)
    name = args[0]
    if name not in COMMANDS:
        _unknown(name)
        return EXIT_USAGE
    app: Commands = import_module(f"x07py.cli.{name}").app
    run = partial(_run, app, prog=f"x07 {name}", error_exit=COMMANDS[name][1])
    return run(args[1:]) if name not in {"arch", "pkg"} else _with_flags(run, args)


def _with_flags(run: Callable[[list[str]], int], args: list[str]) -> int:
    """Run a command of `arch` or `pkg`, which know flags of the reference."""
    if not any(word.startswith(("--json", "--out", "--report-out")) for word in args):
        return run(args[1:])
    from x07py.cli.machine_flags import read_flags

    return _reported(lambda: read_flags(args[1:]).run(run), args)


def _reported(command: Callable[[], int], args: list[str]) -> int:
    """Return the exit code of a command that needs no Typer, or that of what it raised."""
    try:
        return command()
    except Exception as error:
        code = _failed(error, args[1:], f"x07 {args[0]}", COMMANDS[args[0]][1])
        if code is None:
            raise
        return code


def _run(app: Commands, args: list[str], prog: str, error_exit: int) -> int:
    """Run a command and return its exit code; what leaves this function is about standard output or Ctrl-C."""
    from x07py.cli.commands import Exit
    from x07py.cli.plain_lines import read

    try:
        command = read(app, args)
        if command is None:
            return _run_by_typer(app, args, prog)
        result = command()
    except Exit as stop:
        return stop.code
    except BrokenPipeError:  # who read the output has gone, as after `head`
        _silence()
        return 1
    except Exception as error:
        code = _failed(error, args, prog, error_exit)
        if code is None:
            raise
        return code
    return result if isinstance(result, int) else 0


def _run_by_typer(app: Commands, args: list[str], prog: str) -> int:
    """Have Typer read a line, run what it asks for, and return the exit code; raises what the command raises."""
    from typer import Abort, Exit
    from typer.main import get_command

    from x07py.errors import UsageError

    try:
        result = get_command(app.typer()).main(args=args, prog_name=prog, standalone_mode=False)
    except Exit as stop:
        return stop.exit_code
    except Abort:
        raise KeyboardInterrupt from None
    except _usage_errors() as error:
        usage: Any = error  # Typer's parse errors share a base that it does not type
        command = getattr(getattr(usage, "ctx", None), "command_path", prog)
        message = " ".join(usage.format_message().split())
        refused = UsageError("X07_USAGE", message, hint=f"`{command} --help` shows what it takes")
        return _report(refused, args, prog, EXIT_USAGE)
    return result if isinstance(result, int) else 0


def _usage_errors() -> type[Exception]:
    """Return the base of what the parser refuses: Typer's own copy of Click's since 0.26, Click's before."""
    from typer import BadParameter

    return next(kind for kind in BadParameter.__mro__ if kind.__name__ in ("TyperException", "ClickException"))


def _failed(error: Exception, args: list[str], prog: str, error_exit: int) -> int | None:
    """Report what a command raised and return the exit code, or None for what is not about the command."""
    from x07py.errors import FileError, X07Error

    if isinstance(error, X07Error):
        return _report(error, args, prog, error_exit)
    if isinstance(error, OSError):
        if error.filename is None:  # standard output is full or gone
            return None
        refused = FileError(
            "X07IO_SYSTEM",
            f"the operating system refused: {error.strerror}",
            where=str(error.filename),
            hint="check that the path exists and may be used",
        )
        return _report(refused, args, prog, error_exit)
    if os.environ.get("X07_DEBUG"):
        return None
    if isinstance(error, _OF_IMPORTS):
        from x07py import damage

        if changed := damage.changed_files():
            tampered = X07Error(damage.TAMPERED, damage.described(changed), hint=damage.HINT)
            return _report(tampered, args, prog, error_exit)
    internal = X07Error(
        "X07_INTERNAL",
        f"{type(error).__name__}: {error}",
        hint="run again with X07_DEBUG=1 to see where, and report it",
    )
    return _report(internal, args, prog, error_exit)


def _report(error: X07Error, args: list[str], prog: str, exit_code: int) -> int:
    from x07py.cli.output import print_error, wants_json

    command = ".".join([*prog.split()[1:], *[arg for arg in args[:1] if not arg.startswith("-")]])
    print_error(error, command=command, as_json=wants_json(args))
    return exit_code


def _known_help(words: list[str]) -> str | None:
    """Return the help of a command as `make help-pages` has laid it out, if that is how it looks on this terminal."""
    import json
    from pathlib import Path
    from shutil import get_terminal_size

    if get_terminal_size().columns < HELP_COLUMNS:
        return None
    texts: dict[str, str] = json.loads(Path(__file__).with_name("help.json").read_bytes())
    return texts.get(" ".join(words))


def _out(text: str) -> None:
    sys.stdout.write(text + "\n")


def _overview() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {help_line}" for name, (help_line, _) in COMMANDS.items())
    return (
        "Usage: x07 COMMAND [ARGS]...\n\n"
        "Pure services on Kafka and RabbitMQ: record a broker once, replay it for ever.\n\n"
        f"Commands:\n{rows}\n\n"
        "  x07 COMMAND --help  shows what a command takes; x07 --version  prints the version."
    )


def _unknown(name: str) -> None:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean `x07 {near[0]}`?" if near else "`x07 --help` lists the commands"
    sys.stderr.write(f"error[X07_USAGE]: no command {name!r}\n  help: {hint}\n")
