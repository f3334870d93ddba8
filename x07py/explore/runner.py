"""The histories of one order, run in this process."""

from __future__ import annotations

import gc
import logging
import os
import random
import traceback
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import UsageError
from x07py.explore.choices import Choices
from x07py.explore.clock import EPOCH_S, JUMP_S
from x07py.explore.history import counted
from x07py.explore.invariants import check, failure_of, undisturbed_finding
from x07py.explore.program import Program
from x07py.explore.search import Coverage, Plan, Space, history_of
from x07py.explore.services import services
from x07py.explore.shrinking import Shrinker
from x07py.explore.topology import read_topology
from x07py.explore.world import Setting, run_history
from x07py.testing.network import can_step_out, no_network
from x07py.worlds import ENV_WORLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from x07py.explore.choices import Decisions
    from x07py.explore.history import History
    from x07py.explore.invariants import Finding
    from x07py.explore.order import Order
    from x07py.explore.search import Places, Task
    from x07py.msg import Envelope


_COLLECTED_AFTER = 50_000
"""After how many new objects the garbage is collected: a history leaves thousands in cycles, and few that grow old."""


class Ran(NamedTuple):
    """What came of some tasks: findings with their decisions, coverage, and places of the single faults."""

    found: list[tuple[Finding, Decisions]]
    coverage: Coverage
    places: list[tuple[Decisions, Places]]


class RanSet(NamedTuple):
    """What came of the histories of one set of inputs."""

    ran: Ran
    space: Space


class Runner:
    """Runs histories of one order in this process; a context manager, for the world has to be closed and opened.

    Args:
        order: what is explored.
        like: runs an order that has other inputs alone; what was found out about the program is taken from it.
    """

    def __init__(self, order: Order, like: Runner | None = None) -> None:
        self.order = order
        self.program: Program = like.program if like else Program(order.root, order.entry, order.args, dict(order.call))
        self.setting: Setting = (
            like.setting._replace(inputs=order.inputs)
            if like
            else Setting(
                self.program,
                order.inputs,
                order.families,
                order.promises.instances,
                order.promises.dead_letters,
                {},
                read_topology(order.root),
                services(order.answers),
                order.command,
            )
        )
        self.base: History | None = None
        self._own: list[tuple[str, Callable[[History], object]]] | None = None
        self._base_places: Places = []
        self._failure = ""
        self.tells_time: bool = False
        """Whether what is published depends on the time of day."""

    @property
    def own(self) -> list[tuple[str, Callable[[History], object]]]:
        """The user's invariants, by name."""
        if self._own is None:
            self._own = [(name, self.program.invariant(name)) for name in self.order.promises.invariants]
        return self._own

    @contextmanager
    def world(self) -> Iterator[None]:
        """Be in a solve world while the block runs: no network, nothing printed, the project's modules fresh."""
        before, folder = os.environ.get(ENV_WORLD), Path.cwd()
        os.environ[ENV_WORLD] = "solve-rr"
        os.chdir(self.order.root)
        logging.disable(logging.CRITICAL)
        drawn, collected = random.getstate(), gc.get_threshold()
        gc.set_threshold(_COLLECTED_AFTER, *collected[1:])
        self.program.install()
        try:
            with (
                Path(os.devnull).open("w") as nowhere,
                redirect_stdout(nowhere),
                redirect_stderr(nowhere),
                nullcontext() if can_step_out() else no_network(),
            ):
                yield
        finally:
            self.program.remove()
            gc.set_threshold(*collected)
            random.setstate(drawn)
            logging.disable(logging.NOTSET)
            os.chdir(folder)
            if before is None:
                del os.environ[ENV_WORLD]
            else:
                os.environ[ENV_WORLD] = before

    def undisturbed(self) -> tuple[History, Places]:
        """Run the undisturbed history, the first time twice, and return it.

        Wall clocks do not jump where what is published depends on the time of day: every jump would change it.

        Raises:
            UsageError: ``X07EXPLORE_BASE`` if it fails by itself, or comes out differently the second time.
        """
        if self.base is None:
            first, choices = self._run()
            second, _ = self._run()
            self._check_base(first, second)
            if first.timed and "clock" in self.setting.families:
                later, _ = self._run(EPOCH_S + JUMP_S)
                self.tells_time = _messages(first) != _messages(later)
                if self.tells_time:
                    self.setting = self.setting._replace(families=self.setting.families - {"clock"})
                    first, choices = self._run()
            self.base, self._base_places = first, choices.places
            used = [
                one._replace(brokers=first.brokers) for one in self.order.inputs if {*one.brokers} & {*first.brokers}
            ]
            self.setting = self.setting._replace(inputs=used)
        return self.base, self._base_places

    def _run(self, start_s: float = EPOCH_S) -> tuple[History, Choices]:
        choices = Choices({})
        return run_history(self.setting, choices, self.order.seed, start_s), choices

    def _check_base(self, first: History, second: History) -> None:
        self._failure = failure_of(first)
        if self._failure:
            hint = "make it work without faults first; a replay of its recording shows more"
            raise UsageError("X07EXPLORE_BASE", f"the undisturbed run fails: {self._failure}", hint=hint)
        if not first.read:
            hint = "does it use open_driver, or one of the clients that the guide names?"
            raise UsageError("X07EXPLORE_BASE", "the program consumes nothing", hint=hint)
        topics = {one.topic for one in first.inputs} | {one.queue for one in self.order.inputs}
        if not topics & first.read:
            what = f"the program consumes {', '.join(sorted(first.read))}, and the inputs are of {min(topics)}"
            raise UsageError("X07EXPLORE_BASE", what, hint="name the topic in each line, or pass --topic")
        lonely = next((one.facts for one in first.events if one.what == "unanswered" and not one.facts[2]), None)
        if lonely:
            what = f"nobody answers the request {lonely[1]} to {lonely[0]}"
            hint = "explore a recording that has the answers, or let the program consume that queue too"
            raise UsageError("X07EXPLORE_BASE", what, hint=hint)
        if self._differ(first, second):
            hint = "take clocks, identities and order of sets out of it; random and uuid4 are seeded in virtual time"
            raise UsageError("X07EXPLORE_BASE", "two undisturbed runs publish different messages", hint=hint)
        if first.left and self.order.command is not None:
            one = first.left[0]
            what = (
                f"undisturbed {one.messages} messages of {one.place} are not acknowledged when nothing happens any more"
            )
            hint = "acknowledge or commit what is handled; --until-idle waits longer for a program that takes its time"
            raise UsageError("X07EXPLORE_BASE", what, hint=hint)

        self._check_own(first)

    def _check_own(self, undisturbed: History) -> None:
        """Call the user's invariants with a history in which nothing is wrong: what they raise there is their own."""
        for name, holds in self.own:
            try:
                holds(undisturbed)
            except AssertionError:
                continue
            except Exception as error:  # noqa: BLE001  (whatever it is, the user has to see it)
                line = traceback.extract_tb(error.__traceback__)[-1]
                raise UsageError(
                    "X07EXPLORE_INVARIANT",
                    f"the invariant {name} fails on the undisturbed history: {type(error).__name__}: {error}",
                    where=f"{line.filename}:{line.lineno}",
                    hint="return a text or False, or raise an AssertionError, for what is wrong with a history",
                ) from None

    def _differ(self, first: History, second: History) -> bool:
        """Tell whether two runs publish different messages; in real time the order between partitions is nobody's."""
        one, other = _messages(first), _messages(second)
        return one != other if self.order.command is None else counted(one) != counted(other)

    def run(self, tasks: Sequence[Task], places: int) -> Ran:
        """Run histories."""
        base, _ = self.undisturbed()
        ran = Ran([], Coverage(tells_time=self.tells_time), [])
        for task in tasks:
            history, seen = history_of(self.setting, task, self.order.seed, places)
            ran.coverage.note(history)
            found = check(history, base, self.order.promises, self.own)
            if found:
                ran.found.append((found[0], dict(history.decisions)))
            if task.single:
                ran.places.append((task.decisions, seen))
        return ran

    def run_set(self, histories: int) -> RanSet:
        """Run so many histories of inputs that were drawn; that they fail undisturbed is a finding, as any other.

        Raises:
            UsageError: ``X07EXPLORE_BASE`` if the undisturbed history says nothing for another reason.
        """
        try:
            base, places = self.undisturbed()
        except UsageError:
            if not self._failure:
                raise
            coverage = Coverage(1)
            return RanSet(Ran([(undisturbed_finding(self._failure), {})], coverage, []), Space())
        found = check(base, base, self.order.promises, self.own)
        if found:
            return RanSet(Ran([(found[0], {})], Coverage(1), []), Space())
        plan = Plan(places, histories, self.order.seed)
        ran = self.run(plan.single_tasks(), len(places))
        for decisions, behind in ran.places:
            plan.note(decisions, behind)
        if not ran.found:
            more = self.run(list(plan.more_tasks()), len(places))
            ran.coverage.add(more.coverage)
            ran = ran._replace(found=more.found)
        return RanSet(ran._replace(places=[]), plan.space())

    def shrinker(self, finding: Finding, *, keep_inputs: bool) -> Shrinker:
        """Return what makes a finding's history short."""
        if not keep_inputs:
            self.undisturbed()
        return Shrinker(self.setting, self.order.promises, self.own, self.order.seed, finding, keep_inputs=keep_inputs)


def _messages(history: History) -> list[Envelope]:
    """Return what was published, in order."""
    return [one.envelope for one in history.published]
