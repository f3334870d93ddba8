"""Circles in a graph: strongly connected sets, a shortest circle, and few edges without which none is left.

To find the fewest edges is exact for small sets; for large ones it takes a time that no check should, so that an
ordering is made greedily (Eades, Lin, Smyth 1993) and the edges against it are what is cut.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EXACT = 10
_STEPS = 1_000_000

Pair = tuple[str, str]


def strongly_connected(graph: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Return the strongly connected sets of two or more names, sorted (Tarjan, iterative; linear in the edges).

    Args:
        graph: the successors of each name.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[set[str]] = []
    for start, first in graph.items():
        work = [(start, iter(first))] if start not in index else []
        while work:
            name, rest = work[-1]
            if name not in index:
                index[name] = low[name] = len(index)
                stack.append(name)
                on_stack.add(name)
            for other in rest:
                if other not in index:
                    work.append((other, iter(graph.get(other, ()))))
                    break
                if other in on_stack:
                    low[name] = min(low[name], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    members = _popped(stack, name)
                    on_stack -= members
                    if len(members) > 1:
                        found.append(members)
    return sorted(found, key=min)


def _popped(stack: list[str], last: str) -> set[str]:
    """Take names off a stack, down to one, and return them."""
    members = set()
    while last not in members:
        members.add(stack.pop())
    return members


def shortest_circle(graph: Mapping[str, Iterable[str]], members: set[str]) -> list[str]:
    """Return the names of a shortest circle in a strongly connected set, the least first.

    Circles of two are found in time linear in the edges. Others are looked for from each name, which is then taken out;
    after a million steps the shortest so far is returned.
    """
    after = {name: sorted(other for other in graph.get(name, ()) if other in members) for name in sorted(members)}
    best: list[str] = []
    for name, others in after.items():
        if pair := next((other for other in others if name in after[other]), None):
            return sorted([name, pair])
    left = dict.fromkeys(after)
    before: dict[str, list[str]] = {name: [] for name in after}
    for name, others in after.items():
        for other in others:
            before[other].append(name)
    steps = 0
    for start in after:
        if start not in left:
            continue
        found, taken = _circle_through(after, left, start, len(best) or len(after) + 1)
        best = found or best
        steps += taken
        if steps > _STEPS:
            break
        _take_out(start, left, after, before)
    least = best.index(min(best))
    return best[least:] + best[:least]


def _circle_through(
    after: Mapping[str, list[str]], left: dict[str, None], start: str, limit: int
) -> tuple[list[str], int]:
    """Return a shortest circle through a name, if it is shorter than a limit, and how many edges were followed."""
    came: dict[str, str] = {start: ""}
    depth = {start: 1}
    queue = deque([start])
    steps = 0
    while queue:
        name = queue.popleft()
        if depth[name] >= limit:
            break
        for other in after[name]:
            steps += 1
            if other == start:
                path = [name]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return path[::-1], steps
            if other in left and other not in came:
                came[other], depth[other] = name, depth[name] + 1
                queue.append(other)
    return [], steps


def _take_out(
    name: str, left: dict[str, None], after: Mapping[str, list[str]], before: Mapping[str, list[str]]
) -> None:
    """Take a name out, and all that can be on no circle without it."""
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in left:
            continue
        del left[one]
        for near, back in ((after, before), (before, after)):
            waiting += [other for other in near[one] if other in left and not any(b in left for b in back[other])]


def edges_to_cut(weights: Mapping[Pair, int], members: set[str]) -> tuple[list[Pair], bool]:
    """Return edges of a strongly connected set without which it has no circle, and whether there are none lighter.

    Args:
        weights: what each edge costs to cut.
        members: the set.
    """
    inside = {pair: weight for pair, weight in weights.items() if pair[0] in members and pair[1] in members}
    exact = len(members) <= _EXACT
    order = _best_order(inside, sorted(members)) if exact else _greedy_order(inside, sorted(members))
    place = {name: at for at, name in enumerate(order)}
    return sorted(pair for pair in inside if place[pair[0]] > place[pair[1]]), exact


def _best_order(weights: Mapping[Pair, int], names: list[str]) -> list[str]:
    """Return the order with the lightest edges against it, by dynamic programming over subsets."""
    at = {name: place for place, name in enumerate(names)}
    size = len(names)
    into: list[list[tuple[int, int]]] = [[] for _ in names]
    for (source, target), weight in weights.items():
        into[at[target]].append((1 << at[source], weight))
    cost = [0] + [1 << 60] * ((1 << size) - 1)
    last = [0] * (1 << size)
    for done in range(1 << size):
        for place in range(size):
            bit = 1 << place
            if done & bit:
                continue
            against = sum(weight for source, weight in into[place] if not done & source)
            if cost[done] + against < cost[done | bit]:
                cost[done | bit], last[done | bit] = cost[done] + against, place
    order: list[str] = []
    left = (1 << size) - 1
    while left:
        order.append(names[last[left]])
        left ^= 1 << last[left]
    return order[::-1]


def _greedy_order(weights: Mapping[Pair, int], names: list[str]) -> list[str]:
    """Return an order with few edges against it: sinks last, sources first, else what gives more than it takes."""
    out: dict[str, dict[str, int]] = {name: {} for name in names}
    into: dict[str, dict[str, int]] = {name: {} for name in names}
    for (source, target), weight in weights.items():
        out[source][target] = into[target][source] = weight
    balance = {name: sum(out[name].values()) - sum(into[name].values()) for name in names}
    first: list[str] = []
    last: list[str] = []
    ready = [name for name in names if not out[name] or not into[name]]
    left = dict.fromkeys(names)
    ranked = sorted(names, key=lambda name: (-balance[name], name))
    at = 0
    while left:
        if ready:
            name = ready.pop()
            if name not in left:
                continue
        else:
            while ranked[at] not in left:
                at += 1
            name = ranked[at]
        (last if not out[name] and into[name] else first).append(name)
        del left[name]
        for other in into.pop(name):
            del out[other][name]
            if not out[other]:
                ready.append(other)
        for other in out.pop(name):
            del into[other][name]
            if not into[other]:
                ready.append(other)
    return first + last[::-1]
