"""Inputs that hypothesis draws from a strategy of the user's, and makes simple where something is wrong with them.

hypothesis is asked twice: it draws all sets of inputs first, and only to simplify one it draws them again up to that
one. So histories run on all cores, and no private part of hypothesis is used.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import UsageError
from x07py.explore.inputs import Input, input_of_row
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import SearchStrategy

_HINT = 'inputs is a strategy of lists, as st.lists(st.fixed_dictionaries({"key": ..., "value": ...}), min_size=1)'
BOTH = ("kafka", "amqp")


class Drawn(NamedTuple):
    """Where inputs are drawn from.

    Args:
        strategy: of lists; what they hold are envelopes, or dictionaries as the lines of a file of inputs are.
        topic: of dictionaries that name none; empty if each has to name its own.
        where: who gives the strategy, for errors.
    """

    strategy: SearchStrategy[Any]
    topic: str
    where: str


def drawn_from(strategy: object, topic: str, where: str) -> Drawn:
    """Return a strategy as a source of inputs.

    Raises:
        UsageError: ``X07EXPLORE_INPUTS`` if it is no strategy of hypothesis, or that is not installed.
    """
    try:
        from hypothesis.strategies import SearchStrategy
    except ImportError:
        hint = "pip install hypothesis"
        raise UsageError("X07EXPLORE_INPUTS", "hypothesis is not installed", where=where, hint=hint) from None
    if not isinstance(strategy, SearchStrategy):
        what = f"the inputs are {type(strategy).__name__}, no strategy of hypothesis"
        raise UsageError("X07EXPLORE_INPUTS", what, where=where, hint=_HINT)
    return Drawn(strategy, topic, where)


def draw(given: Drawn, seed: int, count: int) -> list[list[Input]]:
    """Return so many sets of inputs, none of them empty; fewer if the strategy has no more.

    Args:
        given: where they come from.
        seed: the same seed draws the same sets.
        count: how many.

    Raises:
        UsageError: ``X07EXPLORE_INPUTS`` if nothing can be drawn, or something else than lists of messages.
    """
    sets: list[list[Input]] = []

    def take(value: object) -> None:
        inputs = _inputs(given, value)
        if inputs:
            sets.append(inputs)

    _run(given, seed, count, take, shrink=False)
    if not sets:
        raise UsageError("X07EXPLORE_INPUTS", "the strategy draws no messages", where=given.where, hint=_HINT)
    return sets[:count]


def simplify(
    given: Drawn, seed: int, count: int, wanted: Sequence[Input], shows: Callable[[list[Input]], bool]
) -> list[Input]:
    """Return the simplest inputs that still show what is wrong, those that are given if there are no simpler ones.

    Args:
        given: where inputs come from.
        seed: as they were drawn with.
        count: as many as were drawn.
        wanted: the inputs with which something is wrong.
        shows: tells whether it is with others.
    """
    best: list[Input] = []

    def look(value: object, *, whatever: bool) -> None:
        inputs = _inputs(given, value)
        if not inputs or not (whatever or best or inputs == list(wanted)):
            return
        if inputs == best or shows(inputs):
            best[:] = inputs
            raise _StillWrong

    # what hypothesis draws depends on the modules that are loaded too: if those are others by now, it has to be wrong
    # with something else that is drawn
    for whatever in (False, True):
        if not best:
            with suppress(_StillWrong, UsageError):
                _run(given, seed, count, partial(look, whatever=whatever), shrink=True)
    return best or list(wanted)


class _StillWrong(Exception):  # noqa: N818  (what hypothesis looks for)
    """It is wrong with these inputs too."""


def _run(given: Drawn, seed: int, count: int, look: Callable[[object], None], *, shrink: bool) -> None:
    """Have hypothesis draw, and call `look` with each value."""
    import hypothesis
    from hypothesis import HealthCheck, Phase
    from hypothesis.errors import HypothesisException

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count + 1,  # the empty list is one, and no set of inputs
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(given.strategy)
    def drawing(value: object) -> None:
        look(value)

    try:
        drawing()
    except (UsageError, _StillWrong):
        raise
    except HypothesisException as error:
        what = f"the strategy draws nothing: {error}"
        raise UsageError("X07EXPLORE_INPUTS", what, where=given.where, hint=_HINT) from None
    except Exception as error:  # noqa: BLE001  (strategies hold functions of the user's)
        what = f"the strategy ends with {type(error).__name__}: {error}"
        raise UsageError("X07EXPLORE_INPUTS", what, where=given.where, hint=_HINT) from None


def _inputs(given: Drawn, value: object) -> list[Input]:
    if not isinstance(value, list | tuple):
        what = f"the strategy draws {type(value).__name__}, no list of messages"
        raise UsageError("X07EXPLORE_INPUTS", what, where=given.where, hint=_HINT)
    return [_input(given, one) for one in value]


def _input(given: Drawn, one: object) -> Input:
    if isinstance(one, Envelope):
        return Input(one, None, one.topic, BOTH)
    try:
        return input_of_row(one, given.topic)
    except (ValueError, TypeError, AttributeError) as error:
        what = f"the strategy draws something that is no message: {error}"
        raise UsageError("X07EXPLORE_INPUTS", what, where=given.where, hint=_HINT) from None
