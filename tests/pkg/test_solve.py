"""The resolver against brute force, on indexes made at random, and its independence of order."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from x07py.contracts.semver import Range, Version, parse_range, parse_version
from x07py.errors import PackageError
from x07py.pkg.solve import Solver, UnsolvableError

Graph = dict[str, dict[str, dict[str, str]]]
"""Package, version, what it needs as range by name."""


class Table:
    """A provider over a graph; the newest version is preferred."""

    def __init__(self, graph: Graph) -> None:
        self.graph = {
            name: {parse_version(text): {dep: parse_range(bound) for dep, bound in needs.items()}
                   for text, needs in versions.items()}
            for name, versions in graph.items()
        }  # fmt: skip

    def versions(self, name: str) -> Sequence[Version]:
        return sorted(self.graph.get(name, {}))

    def requires(self, name: str, version: Version) -> Mapping[str, Range]:
        return self.graph[name][version]

    def admits(self, _name: str, wanted: Range, version: Version) -> bool:
        return wanted.contains(version)

    def preference(self, name: str) -> Sequence[int]:
        return range(len(self.graph[name]) - 1, -1, -1)


def solved(graph: Graph, roots: dict[str, str]) -> dict[str, str] | None:
    try:
        found = Solver(Table(graph)).solve({name: parse_range(text) for name, text in roots.items()})
    except UnsolvableError:
        return None
    return {name: version.text for name, version in found.items()}


def is_solution(graph: Graph, roots: dict[str, str], chosen: dict[str, str]) -> bool:
    """Tell whether `chosen` satisfies everything and holds nothing that is not needed."""
    reached, stack = set(), list(roots)
    bounds = list(roots.items())
    while stack:
        name = stack.pop()
        if name in reached or name not in chosen:
            continue
        reached.add(name)
        needs = graph[name][chosen[name]]
        bounds += needs.items()
        stack += needs
    fits = all(dep in chosen and parse_range(text).contains(parse_version(chosen[dep])) for dep, text in bounds)
    return fits and reached == chosen.keys()


def brute_force(graph: Graph, roots: dict[str, str]) -> bool:
    """Tell by trying everything whether there is a solution."""

    def holds(chosen: dict[str, str], open_bounds: dict[str, list[str]]) -> bool:
        if not open_bounds:
            return True
        name = min(open_bounds)
        rest = {other: texts for other, texts in open_bounds.items() if other != name}
        for version, needs in graph.get(name, {}).items():
            if not all(parse_range(text).contains(parse_version(version)) for text in open_bounds[name]):
                continue
            after = {other: [*texts] for other, texts in rest.items()}
            chosen_now = {**chosen, name: version}
            for dep, text in needs.items():
                if dep not in chosen_now:
                    after.setdefault(dep, []).append(text)
                elif not parse_range(text).contains(parse_version(chosen_now[dep])):
                    break
            else:
                if holds(chosen_now, after):
                    return True
        return False

    return holds({}, {name: [text] for name, text in roots.items()})


BOUNDS = ("*", "0.1.0", "^0.1", "^0.2", "<0.3", ">=0.2", ">=0.3", "0.4.0", ">=0.1,<0.3")
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.4.0")


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, dict[str, str]]:
    """Dense little worlds, in which most requirements clash."""
    names = [f"p{number}" for number in range(draw(st.integers(1, 8)))]
    bounds = st.sampled_from(BOUNDS)
    needs = st.dictionaries(st.sampled_from([*names, "absent"]), bounds, max_size=3)
    graph = {name: draw(st.dictionaries(st.sampled_from(VERSIONS), needs, min_size=1, max_size=4)) for name in names}
    return graph, draw(st.dictionaries(st.sampled_from(names), bounds, min_size=1, max_size=3))


@settings(max_examples=800, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_a_solution_is_found_exactly_when_there_is_one(case: tuple[Graph, dict[str, str]]) -> None:
    graph, roots = case
    chosen = solved(graph, roots)
    assert (chosen is not None) == brute_force(graph, roots)
    assert chosen is None or is_solution(graph, roots, chosen)


def large(seed: int, size: int, loose: float) -> tuple[Graph, dict[str, str]]:
    """Return an index of `size` packages that need later ones; `loose` of the requirements admit every version."""
    rng = random.Random(seed)
    names = [f"p{number:03}" for number in range(size)]
    graph: Graph = {}
    for place, name in enumerate(names):
        later = names[place + 1 : place + 12]
        graph[name] = {
            version: {
                dep: "*" if rng.random() < loose else rng.choice(BOUNDS)
                for dep in rng.sample(later, min(len(later), rng.randint(0, 3)))
            }
            for version in rng.sample(VERSIONS, rng.randint(1, 4))
        }
    return graph, {name: rng.choice(("*", "*", ">=0.2")) for name in rng.sample(names[:20], 3)}


@pytest.mark.parametrize("size", [50, 120, 200])
def test_large_indexes_agree_with_brute_force(size: int) -> None:
    verdicts = set()
    for seed in range(40):
        graph, roots = large(seed, size, loose=0.8)
        chosen = solved(graph, roots)
        expected = brute_force_pruned(graph, roots)
        assert (chosen is not None) == expected, seed
        assert chosen is None or is_solution(graph, roots, chosen), seed
        verdicts.add(expected)
    assert verdicts == {True, False}


def brute_force_pruned(graph: Graph, roots: dict[str, str]) -> bool:
    """Like `brute_force`, with versions that can never fit struck out first, so that 200 packages end in time.

    It searches packages in an order in which each is decided after all that need it, so no choice is taken back by a
    later requirement on it.
    """
    admits = {text: {version for version in VERSIONS if parse_range(text).contains(parse_version(version))}
              for text in BOUNDS}  # fmt: skip
    order = sorted(graph)
    possible = {name: {*graph[name]} for name in order}
    shrinks = True
    while shrinks:
        shrinks = False
        for name in order:
            keep = {
                version
                for version in possible[name]
                if all(admits[text] & possible.get(dep, set()) for dep, text in graph[name][version].items())
            }
            shrinks = shrinks or keep != possible[name]
            possible[name] = keep
    dead: set[tuple[int, frozenset[tuple[str, frozenset[str]]]]] = set()

    def holds(place: int, wanted: dict[str, frozenset[str]]) -> bool:
        while place < len(order) and order[place] not in wanted:
            place += 1
        if place == len(order):
            return not wanted
        state = (place, frozenset(wanted.items()))
        if state in dead:
            return False
        name = order[place]
        for version in sorted(wanted[name], reverse=True):
            after = {other: left for other, left in wanted.items() if other != name}
            for dep, text in graph[name][version].items():
                after[dep] = frozenset(after.get(dep, frozenset(possible.get(dep, ()))) & admits[text])
                if not after[dep]:
                    break
            else:
                if holds(place + 1, after):
                    return True
        dead.add(state)
        return False

    start = {name: frozenset(possible[name] & admits[text]) for name, text in roots.items()}
    return all(start.values()) and holds(0, start)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(graphs(), st.randoms(use_true_random=False))
def test_the_result_does_not_depend_on_the_order_of_anything(
    case: tuple[Graph, dict[str, str]], rng: random.Random
) -> None:
    graph, roots = case

    def shuffled(table: dict[str, object]) -> dict[str, object]:
        items = list(table.items())
        rng.shuffle(items)
        return {key: shuffled(value) if isinstance(value, dict) else value for key, value in items}

    expected = solved(graph, roots)
    for _ in range(3):
        assert solved(shuffled(graph), shuffled(roots)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drivers", "expected"),
    [
        # the vectors in which taking the newest core first ends in a conflict although an older one suits both
        ({"kafka": "0.1.5", "amqp": "0.1.4"}, "0.1.4"),
        ({"kafka": "0.1.4", "amqp": "0.1.5"}, "0.1.4"),
        ({"kafka": "0.1.5", "amqp": "0.1.5"}, "0.1.5"),
        ({"kafka": "0.1.5"}, "0.1.5"),
        ({"kafka": "0.1.3", "amqp": "0.1.4"}, None),
        ({"core": "0.1.5", "kafka": "0.1.4"}, None),
        ({"core": "0.1.3", "kafka": "0.1.5"}, None),
    ],
)
def test_the_messaging_vectors(drivers: dict[str, str], expected: str | None) -> None:
    versions = [f"0.1.{patch}" for patch in range(6)]
    graph: Graph = {"core": {version: {} for version in versions}}
    for name in ("kafka", "amqp"):
        graph[name] = {version: {"core": version} for version in versions[:5]}
        graph[name]["0.1.5"] = {"core": ">=0.1.4 <0.2.0"}
    chosen = solved(graph, drivers)
    assert (chosen["core"] if chosen is not None else None) == expected


def test_a_chain_of_thousands_is_no_trouble() -> None:
    graph: Graph = {f"p{n}": {"0.1.0": {f"p{n + 1}": "*"}, "0.2.0": {f"p{n + 1}": ">=0.2"}} for n in range(3000)}
    graph["p3000"] = {"0.1.0": {}, "0.2.0": {}}
    assert solved(graph, {"p0": "*"}) == {f"p{n}": "0.2.0" for n in range(3001)}
    graph["p3000"].pop("0.2.0")
    graph["p2999"].pop("0.1.0")
    assert solved(graph, {"p0": "*"}) is None


ORDER = ("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
         "1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0")  # fmt: skip


def test_versions_sort_as_semver_says() -> None:
    shuffled = sorted(ORDER)
    assert tuple(version.text for version in sorted(map(parse_version, shuffled))) == ORDER


@pytest.mark.parametrize(
    "text",
    ["1", "1.2", "01.2.3", "1.02.3", "1.2.3-", "1.2.3-01", "1.2.3+", "v1.2.3", "1.2.3 ", "1.2.3-a_b", "\u0661.2.3"],
)
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(PackageError, match="X07PKG_SPEC_INVALID"):
        parse_version(text)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("1.2.3", ["1.2.3", "1.2.3+build"], ["1.2.4", "1.2.2"]),
        ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        (">=0.2,<0.3", ["0.2.0", "0.2.9"], ["0.3.0", "0.1.9", "0.2.5-rc.1"]),
        (">=0.1.0 <0.2.0", ["0.1.0"], ["0.2.0"]),
        (">= 0.2 , < 0.3", ["0.2.1"], ["0.3.0"]),
        ("^1.2", ["1.2.0", "1.9.9"], ["2.0.0", "1.1.9", "2.0.0-rc.1"]),
        ("^0.2.1", ["0.2.1", "0.2.9"], ["0.3.0", "0.2.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0", ["0.9.9"], ["1.0.0"]),
        ("~1.2", ["1.2.9"], ["1.3.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.2.2", "1.3.0"]),
        ("~1", ["1.9.0"], ["2.0.0"]),
        ("*", ["0.0.1", "9.9.9"], ["1.0.0-rc.1"]),
        (">=1.0.0-rc.1", ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0"], ["1.0.0-beta"]),
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    bound = parse_range(text)
    assert [version for version in inside if not bound.contains(parse_version(version))] == []
    assert [version for version in outside if bound.contains(parse_version(version))] == []


@pytest.mark.parametrize(
    "text", ["", " ", "1.2", "=1.2", ">=", "1.2.3,", "latest", ">=1 || <2", ">=*", "1.2.3 - 2.0.0"]
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(PackageError, match="X07PKG_SPEC_INVALID"):
        parse_range(text)
