"""The pytest side: ``--x07-explore N``, ``@pytest.mark.x07(explore=N)``, and kept histories as tests.

A marked test is a program: it runs once as it is, and then in other histories, whose inputs are its cassette's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from x07py.contracts.loader import find_root
from x07py.errors import UsageError, X07Error
from x07py.explore.kept_entry import CALLED_WITH, FOLDER
from x07py.worlds import CASSETTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from x07py.explore.campaign import Explored
    from x07py.explore.order import Order

_cassette = pytest.StashKey[Path]()


class BrokenPromiseError(Exception):
    """A history breaks what the program promises; the text is the story."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("x07").addoption(
        "--x07-explore",
        type=int,
        default=0,
        metavar="N",
        help="run each test on a cassette in N other histories that its broker could have produced",
    )


@pytest.fixture(autouse=True)
def _x07_explored(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("x07"):
        request.node.stash[_cassette] = request.getfixturevalue("x07_cassette").path


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Explore a marked test after it has passed."""
    result = yield
    marker = pyfuncitem.get_closest_marker("x07")
    if marker is not None:
        count = pyfuncitem.config.getoption("--x07-explore") or marker.kwargs.get("explore", 0)
        cassette = pyfuncitem.stash.get(_cassette, None)
        if count and cassette is not None and cassette.exists():
            _explore(pyfuncitem, cassette, marker.kwargs, count)
    return result


def _explore(item: pytest.Function, cassette: Path, given: Mapping[str, Any], count: int) -> None:
    from x07py.explore.kept import keep, schedule_of
    from x07py.explore.story import tell

    order = _order(item, cassette, given)
    explored = _run(item, order, cassette, given.get("inputs"), count)
    if explored.found:
        kept = [keep(order.root, schedule_of(order, found), found) for found in explored.found]
        stories = ["\n".join([*tell(one), f"  kept: {path}"]) for one, path in zip(explored.found, kept, strict=True)]
        raise BrokenPromiseError("\n\n".join(stories))
    if explored.unshrunk:
        finding = explored.unshrunk[0][0]
        raise BrokenPromiseError(f"{finding.invariant}: {finding.where}: {finding.what}; it did not come again alone")


def _order(item: pytest.Function, cassette: Path, given: Mapping[str, Any]) -> Order:
    """Return what shall be explored, without inputs."""
    from x07py.explore.faults import FAMILIES
    from x07py.explore.order import UNTIL_IDLE_S, Order, wire_families
    from x07py.explore.promises import marked_promises
    from x07py.explore.services import read_answers
    from x07py.explore.sources import goes_over_the_wire

    root = find_root(item.config.rootpath)
    names = item.function.__code__.co_varnames[: item.function.__code__.co_argcount]
    odd = [name for name in names if name not in CALLED_WITH]
    if odd or not item.path.is_relative_to(root):
        what = f"the test takes {', '.join(odd)}" if odd else "the test is outside of the project"
        hint = "an explored test starts again and again in other processes; it takes no fixtures but x07_broker"
        raise UsageError("X07EXPLORE_ENTRY", what, where=item.nodeid, hint=hint)
    entry = f"{item.path.relative_to(root).as_posix()}:{item.originalname or item.name}"
    promises, over_the_wire = marked_promises(root, given, item.nodeid), goes_over_the_wire(root, entry)
    return Order(
        root,
        entry,
        (),
        (),
        promises,
        frozenset(wire_families(promises) if over_the_wire else FAMILIES),
        call=tuple((name, CALLED_WITH[name]) for name in names),
        answers=read_answers(cassette),
        until_idle_s=UNTIL_IDLE_S if over_the_wire else 0.0,
    )


def _run(item: pytest.Function, order: Order, cassette: Path, strategy: object, count: int) -> Explored:
    """Explore with the messages of the test's cassette, or with those that a strategy draws for the same topic."""
    from x07py.explore.campaign import explore
    from x07py.explore.drawn import explore_drawn
    from x07py.explore.inputs import read_inputs
    from x07py.explore.strategies import drawn_from

    if strategy is None:
        return explore(replace(order, inputs=read_inputs(cassette, "")), count, cores=1)
    if order.command is not None:
        hint = "leave inputs= out: the messages of the cassette are explored"
        raise UsageError("X07EXPLORE_WIRE", "over the wire no inputs are drawn", where=item.nodeid, hint=hint)
    topics = {one.envelope.topic for one in read_inputs(cassette, "")}
    given = drawn_from(strategy, min(topics) if len(topics) == 1 else "", item.nodeid)
    return explore_drawn(order, given, count, cores=1)


class KeptHistory(pytest.Item):
    """A history that was found once, run again; it passes when nothing is wrong any more."""

    file: Path

    def runtest(self) -> None:
        """Run it.

        Raises:
            BrokenPromiseError: it is as it was.
        """
        from x07py.explore.campaign import run_kept
        from x07py.explore.story import tell

        found = run_kept(find_root(self.config.rootpath), self.file)
        if found is not None:
            raise BrokenPromiseError("\n".join(tell(found)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the story, or the error as one line."""
        if isinstance(excinfo.value, BrokenPromiseError | X07Error):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where it is."""
        return self.file, None, f"history {self.file.name.partition('.')[0]}"


def _kept(session: pytest.Session) -> Iterator[KeptHistory]:
    root = find_root(session.config.rootpath)
    for file in sorted((root / CASSETTES / FOLDER).glob("*.x07rr.bin")):
        item: KeptHistory = KeptHistory.from_parent(session, name=f"history {file.name.partition('.')[0]}")
        item.file = file
        yield item


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the kept histories to a run of the whole suite."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        items.extend(_kept(session))
