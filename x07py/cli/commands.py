"""How commands are declared: as for Typer, which with what it imports takes half a second of processor.

So Typer is asked where it has something to say: what a command takes, and what is wrong with a line. A line that is
plainly right is read by `x07py.cli.plain_lines`, and a command's module is imported when its name is on the line.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import typer

Function = TypeVar("Function", bound="Callable[..., object]")


class Exit(Exception):  # noqa: N818 (an answer, not a failure)
    """Ends a command with an exit code.

    Args:
        code: the exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code: int = code


class Parameter(NamedTuple):
    """What ``Annotated`` says of a parameter.

    Args:
        names: of an option, as they are written; none for what its parameter's name gives.
        settings: what Typer takes of it.
        positional: whether it is an argument and no option.
    """

    names: tuple[str, ...]
    settings: dict[str, Any]
    positional: bool


def option(*names: str, **settings: Any) -> Parameter:
    """Return what ``typer.Option`` would say of an option, with the same arguments."""
    return Parameter(names, settings, positional=False)


def argument(**settings: Any) -> Parameter:
    """Return what ``typer.Argument`` would say of an argument, with the same arguments."""
    return Parameter((), settings, positional=True)


class Commands:
    """A group of commands, or the only command of its name.

    Args:
        about: the group's help; empty for one command.
        interspersed: whether options may follow arguments.
    """

    def __init__(self, about: str = "", *, interspersed: bool = True) -> None:
        self.about: str = about
        self.interspersed: bool = interspersed
        self._made: dict[str, Callable[..., object]] = {}
        self._places: dict[str, str] = {}

    def command(self, name: str = "") -> Callable[[Function], Function]:
        """Return a decorator that adds a command; without a name it has that of its function."""

        def add(function: Function) -> Function:
            known = name or function.__name__.replace("_", "-")
            self._places[known] = ""
            self._made[known] = function
            return function

        return add

    def add(self, places: Iterable[tuple[str, str]]) -> None:
        """Add commands and groups by name, each with its place, as ``MODULE:NAME``; it is imported when it is used."""
        self._places |= dict(places)

    def names(self) -> list[str]:
        """Return the names of its commands and groups, in the order in which they are shown."""
        return list(self._places)

    def find(self, name: str) -> Callable[..., object] | Commands | None:
        """Return the command or group of a name, or None."""
        if name in self._made or name not in self._places:
            return self._made.get(name)
        module, _, attribute = self._places[name].partition(":")
        found: Callable[..., object] | Commands = getattr(import_module(module), attribute)
        return found

    def only(self) -> Callable[..., object] | None:
        """Return the command, if there is one and no group."""
        return None if self.about else next(iter(self._made.values()))

    def typer(self) -> typer.Typer:
        """Return all of it as Typer knows it."""
        from typer import Typer

        settings: dict[str, Any] = {"help": self.about} if self.about else {}  # None would be a help of its own
        if not self.interspersed:
            settings["context_settings"] = {"allow_interspersed_args": False}
        made = Typer(
            no_args_is_help=bool(self.about),
            rich_markup_mode=None,
            add_completion=False,
            **settings,
        )
        if self.about:
            made.callback()(_nothing)
        for name in self.names():
            found = self.find(name)
            if isinstance(found, Commands):
                made.add_typer(found.typer(), name=name)
            elif found is not None:
                made.command(name)(_as_typer_reads(found))
        return made


def parameters(function: Callable[..., object]) -> dict[str, tuple[Any, Parameter]]:
    """Return the type and the declaration of each parameter of a command, by name."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    found: dict[str, tuple[Any, Parameter]] = {}
    for name, hint in hints.items():
        kind, *said = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        found[name] = kind, next((one for one in said if isinstance(one, Parameter)), option())
    return found


def _as_typer_reads(function: Callable[..., object]) -> Callable[..., object]:
    """Return the same command with parameters that say to Typer what they say here."""
    from functools import wraps
    from inspect import signature

    from typer import Argument, Option

    @wraps(function)
    def command(**values: object) -> object:
        return function(**values)

    found = {}
    for name, (kind, said) in parameters(function).items():
        info = Argument(**said.settings) if said.positional else Option(*said.names, **said.settings)
        found[name] = Annotated[kind, info]
    known = signature(function)
    kept = [one.replace(annotation=found[name]) for name, one in known.parameters.items()]
    command.__signature__ = known.replace(parameters=kept)  # type: ignore[attr-defined]
    command.__annotations__ = found
    return command


def _nothing() -> None: ...
