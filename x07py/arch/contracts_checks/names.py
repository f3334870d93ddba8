"""Topics, queues and profiles that code names and ``arch/msg`` does not have."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from x07py.arch.model import finding
from x07py.arch.scan.messages import CONSTANT, ELSEWHERE
from x07py.arch.scan.patterns import compile_dotted
from x07py.diag import Diagnostic, Related

if TYPE_CHECKING:
    import re

    from x07py.arch.contracts_checks.contract_files import Contracts
    from x07py.arch.graph import Graph
    from x07py.arch.model import Module

_WHAT = {
    "topic": ("E_ARCH_MSG_TOPIC_UNKNOWN", "a topic or routing key", "add it to the topics of the index"),
    "source": ("E_ARCH_MSG_TOPIC_UNKNOWN", "a topic or queue", "add it to the topics, or to the queues of a topology"),
    "profile": ("E_ARCH_MSG_PROFILE_UNKNOWN", "a profile", "add it to the profiles of the index"),
}


def check_names(state: Contracts, graph: Graph) -> None:
    """Report each name in a call that no contract has, with the nearest; where an index is broken nothing is judged."""
    constants = {
        f"{module_id}.{kind.removeprefix(CONSTANT)}": text
        for module_id, module in graph.modules.items()
        for kind, text, _ in module.names
        if kind.startswith(CONSTANT)
    }
    topics = state.topics | state.queues | {pattern.name for pattern in state.topic_patterns}
    known = {"topic": topics, "source": topics, "profile": state.profiles}
    keys = [_routing(key) for key in sorted(state.routing_keys)]
    for module_id in sorted(graph.modules):
        module = graph.modules[module_id]
        unknown: dict[tuple[str, str], list[tuple[str, int]]] = {}
        for kind, written, offset in sorted(module.names, key=lambda row: row[2]):
            if kind not in _WHAT or not known[kind] or (kind == "profile" and "profiles" in state.broken):
                continue
            name = constants.get(written[1:], "") if written.startswith(ELSEWHERE) else written
            if kind != "profile" and ("topics" in state.broken or any(key.fullmatch(name) for key in keys)):
                continue
            if kind != "profile" and any(pattern.matches(name) for pattern in state.topic_patterns):
                continue
            if name and name not in known[kind]:
                unknown.setdefault((_WHAT[kind][0], name), []).append((kind, offset))
        for (code, name), places in unknown.items():
            state.report(_unknown(graph, module, code, name, places, known))


def _unknown(
    graph: Graph, module: Module, code: str, name: str, places: list[tuple[str, int]], known: dict[str, set[str]]
) -> Diagnostic:
    """Return one finding for all places of a module that name what no contract has."""
    kind, offset = places[0]
    _, what, advice = _WHAT[kind]
    near = get_close_matches(name, sorted(known[kind]), 1)
    others = [graph.sources.at(module.path, other) for _, other in places[1:]]
    return finding(
        code,
        f"{module.id} names {name!r}, and arch/msg has no such {what.partition(' ')[2]}",
        **graph.sources.at(module.path, offset),
        hint=f"did you mean {near[0]!r}? If not, {advice}" if near else advice,
        notes=(f"also in line {', '.join(str(at['line']) for at in others)}",) if others else (),
        related=tuple(Related(at["path"], at["line"], at["column"], f"names {name!r}") for at in others),
        data={"name": name, "module_id": module.id, "module_path": module.path},
    )


def _routing(key: str) -> re.Pattern[str]:
    """Return what a binding's key admits: ``*`` is one word, ``#`` any number of them."""
    return compile_dotted(key, one="*", many="#", least=0)
