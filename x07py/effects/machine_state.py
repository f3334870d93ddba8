"""What a machine knows between two modules, as plain values that `marshal` keeps, and back.

Summaries are not part of it: a machine that goes on from such values reads the summary of a module where it first runs
a function of it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from x07py.effects.finder import Found
from x07py.effects.graph import End, Point
from x07py.effects.state import ClassState, Context, Module, Scope
from x07py.effects.summary import Class

if TYPE_CHECKING:
    from x07py.effects.machine import Machine

_CLASS = tuple(name for name in ClassState.__slots__ if name != "row")
_MAKING = ("born", "again", "names", "kept", "unsure", "gone", "once", "forgotten")
_TABLES = (
    "attributes", "unread", "variants", "shared", "origins", "second_names", "computing", "texts", "full", "deep",
)  # fmt: skip
"""What is made of plain values only."""


def plain_state(machine: Machine) -> Any:
    """Return what a machine knows; it must not be running anything, and have no module of a project."""
    tables = {name: getattr(machine, name) for name in _TABLES}
    making = {name: getattr(machine.making, name) for name in _MAKING}
    contexts = [
        (atom, [(key, _context(one)) for key, one in known.items()]) for atom, known in machine.contexts.items()
    ]
    former = [(atom, [_context(one) for one in known]) for atom, known in machine.former.items()]
    points = [
        (one.module, one.name, one.line, one.calls, [tuple(end) for end in one.ends]) for one in machine.graph.points
    ]
    waits = (
        [[point, end.line, *end[1:], last] for point, end, last in machine.readings],
        [[point, end.line, *end[1:], last] for point, end, last in machine.handed],
    )
    relied = [(key, [(point, _run(run)) for point, run in runs.items()]) for key, runs in machine.relied.items()]
    return {
        "tables": tables,
        "making": making,
        "contexts": contexts,
        "former": former,
        "points": points,
        "ends": waits,
        "relied": relied,
        "waiting": [_run(run) for run in machine.waiting],
        "modules": [(name, _module(one)) for name, one in machine.modules.items()],
        "classes": [
            ((one.row.name, one.row.line), [getattr(one, name) for name in _CLASS]) for one in machine.classes.values()
        ],
        "scopes": [one and (one.names, one.function, one.owner) for one in machine.scopes],
    }


def restore(machine: Machine, state: Any) -> None:
    """Have a machine that knows nothing yet go on from what `plain_state` gave."""
    for name, value in state["tables"].items():
        setattr(machine, name, value)
    for name, value in state["making"].items():
        setattr(machine.making, name, value)
    contexts: dict[int, Context] = {}

    def context(row: Any) -> Context:
        return contexts.setdefault(row[0], Context(*row))

    def run(row: Any) -> tuple[Any, ...]:
        atom, at, *rest = row
        return atom, context(at), *rest

    machine.contexts = {atom: {key: context(row) for key, row in known} for atom, known in state["contexts"]}
    machine.former = {atom: [context(row) for row in known] for atom, known in state["former"]}
    machine.graph.points = [
        Point(module, name, line, calls, dict.fromkeys(End(*end) for end in ends))
        for module, name, line, calls, ends in state["points"]
    ]
    readings, handed = state["ends"]
    machine.readings = [(point, End(*end), last) for point, *end, last in readings]
    machine.handed = [(point, End(*end), last) for point, *end, last in handed]
    machine.relied = {key: {point: run(row) for point, row in runs} for key, runs in state["relied"]}
    machine.waiting = [run(row) for row in state["waiting"]]
    known: dict[str, Module] = {}
    for name, row in state["modules"]:
        machine.modules[name] = known.get(row[0]) or known.setdefault(row[0], _module_of(machine, row))
    for (name, line), values in state["classes"]:
        one = ClassState(**dict(zip(_CLASS, values, strict=True)), row=Class(name, line, (), (), ()))
        machine.classes[one.atom] = one
    machine.scopes = [one and Scope(*one) for one in state["scopes"]]


def _context(one: Context) -> tuple[Any, ...]:
    return one.point, one.result, one.done, one.runs, one.waits, one.sets


def _run(run: tuple[Any, ...]) -> tuple[Any, ...]:
    atom, context, *rest = run
    return atom, _context(context), *rest


def _module(one: Module) -> tuple[Any, ...]:
    return one.name, tuple(one.found), one.point, one.source is not None, one.names, one.typing, one.starred


def _module_of(machine: Machine, row: Any) -> Module:
    name, found, point, has_source, names, typing, starred = row
    source = partial(machine.summary_of, found[1]) if has_source else None
    return Module(name, Found(*found), point, source, done=True, names=names, typing=typing, starred=starred)
