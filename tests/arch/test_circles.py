"""Circles: a shortest one, the fewest imports to cut, and time that grows with the imports."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.arch.trees import codes, manifest, node, run, write
from x07py.arch.rules.circles import edges_to_cut, shortest_circle, strongly_connected
from x07py.arch.rules.cycles import following

NAMES = "abcdef"
EDGES = st.dictionaries(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).filter(lambda pair: pair[0] != pair[1]),
    st.integers(1, 4),
    max_size=16,
)


def has_circle(pairs: set[tuple[str, str]]) -> bool:
    return bool(strongly_connected(following(sorted(pairs))))


@given(EDGES)
def test_shortest_and_fewest_as_trying_all_finds_them(weights: dict[tuple[str, str], int]) -> None:
    graph = following(weights)
    for members in strongly_connected(graph):
        circle = shortest_circle(graph, members)
        pairs = list(zip(circle, [*circle[1:], circle[0]], strict=True))
        assert all(pair in weights for pair in pairs)
        lengths = (
            size
            for size in range(2, len(members) + 1)
            for names in itertools.permutations(sorted(members), size)
            if all(pair in weights for pair in zip(names, (*names[1:], names[0]), strict=True))
        )
        assert len(circle) == next(lengths)
        cut, fewest = edges_to_cut(weights, members)
        inside = {pair for pair in weights if set(pair) <= members}
        assert fewest
        assert not has_circle(inside - set(cut))
        cost = sum(weights[pair] for pair in cut)
        orders = itertools.permutations(sorted(members))
        assert cost == min(sum(weights[a, b] for a, b in inside if o.index(a) > o.index(b)) for o in orders)


@pytest.mark.parametrize("back", [1, 3])
def test_a_large_set_is_cut_and_time_is_not_quadratic(back: int) -> None:
    def ring(size: int) -> float:
        names = [f"m{place:05}" for place in range(size)]
        pairs = {(names[place], names[(place + 1) % size]): 1 for place in range(size)}
        pairs |= {(names[place], names[place - 2]): 1 for place in range(2, size, size // back)}
        graph = following(pairs)
        started = time.process_time()
        (members,) = strongly_connected(graph)
        circle = shortest_circle(graph, members)
        cut, fewest = edges_to_cut(pairs, members)
        took = time.process_time() - started
        assert not fewest
        assert len(circle) == (3 if back > 1 else min(3, size))
        assert not has_circle(set(pairs) - set(cut))
        assert len(cut) <= 2 * back + 1
        return took

    assert ring(16_000) < 16 * max(ring(4_000), 0.02)


def test_a_long_chain_takes_as_long_as_its_imports() -> None:
    def chain(size: int) -> float:
        graph = {f"m{place}": [f"m{place - 1}"] for place in range(size)}
        started = time.process_time()
        assert strongly_connected(graph) == []
        return time.process_time() - started

    assert chain(32_000) < 24 * max(chain(4_000), 0.01)


def test_a_circle_is_shown_with_what_to_cut(tmp_path: Path) -> None:
    modules = {
        "a.py": "import b\n",
        "b.py": "import a\nimport c\n",
        "c.py": "x = 1\nimport d\n",
        "d.py": "import b\n",
    }
    rule = {"kind": "deny_cycles_v1", "id": "r", "scope": "modules"}
    report = run(write(tmp_path, manifest(*map(node, "abcd"), rules=[rule]), modules))
    assert codes(report) == ["E_ARCH_CYCLE"]
    row = report.findings[0]
    assert row.notes == (
        "a shortest circle: a > b > a",
        "a.py:1 imports b",
        "b.py:1 imports a",
        "cut 2 imports:",
        "b.py:1 imports a",
        "d.py:1 imports b",
    )
    assert row.data["shortest"] == ["a", "b"]
    assert [(one.path, one.line) for one in row.related] == [("a.py", 1), ("b.py", 1), ("d.py", 1)]
