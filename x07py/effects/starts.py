"""Where judging starts: module bodies, functions and methods that anybody may call, private ones as they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.private import replaced
from x07py.effects.state import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.effects.machine import Machine
    from x07py.effects.state import Module
    from x07py.effects.values import Atom, Value


def starts_of(machine: Machine, judged: tuple[str, ...], function: str) -> dict[str, list[int]]:
    """Run what is judged, and return its points by module.

    Args:
        machine: runs it.
        judged: names of modules.
        function: name of one that is called with anything, even if it is private.
    """
    found: dict[str, list[int]] = {}
    private: dict[str, list[tuple[Atom, Atom | None, Value]]] = {}
    for name in judged:
        module = machine.module(name)
        found[name] = [module.point]
        for atom, owner, this in list(_callables(machine, module)):
            row = machine.function(atom)
            if row.name in module.called_only and row.name != function:
                private.setdefault(name, []).append((atom, owner, this))
            else:
                found[name].append(machine.generic(atom, owner, this))
    for name in judged:
        _unmade(machine, machine.modules[name])
    machine.settle()
    for rows in private.values():
        for atom, owner, this in rows:
            called = machine.calls_of(atom) and machine.function(atom).name.rpartition(".")[2] not in machine.missed
            if not called or _renamed(machine, atom):
                machine.generic(atom, owner, this)
    machine.settle()
    for name, rows in private.items():
        for atom, _, _ in rows:
            found[name] += machine.calls_of(atom)
    return found


def _unmade(machine: Machine, module: Module) -> None:
    """Count what makes the fields of classes that nothing makes objects of, as if somebody did."""
    for atom, state in list(machine.classes.items()):
        if atom[1] == module.name and not state.made:
            for line, value in state.factories.values():
                machine.call_atoms(Frame(module, module.point, module.names), line, value, [], {})


def _callables(machine: Machine, module: Module) -> Iterator[tuple[Atom, Atom | None, Value]]:
    """Yield the functions of a module, and the methods of its classes with the class and the object or class."""
    if module.summary is None:
        return
    for value in list(module.names.values()):
        for atom in sorted(value, key=repr):
            if atom[0] == "fn" and atom[1] == module.name:
                yield atom, None, frozenset()
    for number in replaced(module.summary):
        if not any(atom[:3] == ("fn", module.name, number) for value in module.names.values() for atom in value):
            yield ("fn", module.name, number, 0), None, frozenset()
    for atom, state in list(machine.classes.items()):
        if atom[1] == module.name and not atom[3]:
            for value in list(state.names.values()):
                yield from _methods(atom, value)


def _methods(owner: Atom, value: Value) -> Iterator[tuple[Atom, Atom, Value]]:
    for atom in sorted(value, key=repr):
        function = atom if atom[0] == "fn" else atom[1] if atom[0] in {"prop", "static", "clsm"} else None
        if function is not None and function[0] == "fn" and function[1] == owner[1]:
            this = {"static": frozenset(), "clsm": frozenset({owner})}.get(atom[0], frozenset({("inst", owner, None)}))
            yield function, owner, this
            if atom[0] == "prop" and len(atom) > 2:
                yield atom[2], owner, this


def _renamed(machine: Machine, atom: Atom) -> bool:
    """Tell whether another module has a private function under a public name."""
    return any(
        atom in value and not name.startswith("_")
        for module in machine.modules.values()
        if module.own and module.name != atom[1]
        for name, value in module.names.items()
    )
