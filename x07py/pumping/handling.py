"""The handler, called for one message: what it returns, what its errors mean, and how often it is called again."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import time
import traceback
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from x07py.drivers.tracing import follow_trace
from x07py.errors import PumpError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from x07py.drivers import Delivery
    from x07py.pumping.options import Handler, PumpOptions

_LONGEST_PAUSE_S = 5.0


class Outcome(NamedTuple):
    """What came of one delivery: its results, or the error that the handler raised, as text."""

    results: Sequence[Envelope]
    reason: str = ""
    digest: str = ""
    passing: bool = False
    """Whether the error is one that may be gone when the message is handled later on."""


_NOTHING = Outcome(())


class Handling:
    """A handler and how it is called.

    Args:
        handler: function from an envelope to envelopes, or coroutine function.
        check: refuses a result that could not be sent.
        options: which errors it is called again after, and how often.
        inline: wait for nothing, in a world where nothing waits.
    """

    def __init__(
        self, handler: Handler, check: Callable[[Envelope], None], options: PumpOptions, *, inline: bool
    ) -> None:
        self._handler: Callable[[Envelope], Any] = handler
        self._check, self._options = check, options
        self.inline: bool = inline
        call = getattr(handler, "__call__", None)  # noqa: B004  (what is asked for is the method, not whether it is there)
        self.on_loop: bool = inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(call)
        """Whether the handler runs on the event loop."""

    def handle(self, delivery: Delivery) -> Outcome:
        """Return what comes of a delivery, of a handler that is a plain function.

        Raises:
            PumpError: 9903 if the handler returns something else than envelopes.
        """
        attempt = 1
        while True:
            try:
                envelope = delivery.envelope
                results = self._handler(envelope)
                return _NOTHING if results is None or results == () else self._checked(envelope, results)
            except PumpError:
                raise
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  (whatever it is, the message is poison)
                if not self._again(error, attempt):
                    return self._failed(error)
            time.sleep(self._pause_s(attempt))
            attempt += 1

    async def handle_on_loop(self, delivery: Delivery) -> Outcome:
        """Return what comes of a delivery, of a coroutine function; raises as `handle`."""
        attempt = 1
        while True:
            try:
                envelope = delivery.envelope
                results = await self._handler(envelope)
                return _NOTHING if results is None or results == () else self._checked(envelope, results)
            except PumpError:
                raise
            except (Exception, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise
                if not self._again(error, attempt):
                    return self._failed(error)
            await asyncio.sleep(self._pause_s(attempt))
            attempt += 1

    def _again(self, error: BaseException, attempt: int) -> bool:
        return isinstance(error, self._options.retried_errors) and attempt < self._options.retry_attempts

    def _pause_s(self, attempt: int) -> float:
        return 0.0 if self.inline else min(self._options.retry_pause_s * 2 ** (attempt - 1), _LONGEST_PAUSE_S)

    def _failed(self, error: BaseException) -> Outcome:
        return poison(error, passing=isinstance(error, self._options.retried_errors))

    def _checked(self, envelope: Envelope, results: Any) -> Outcome:
        if isinstance(results, Envelope):
            results = (results,)
        elif isinstance(results, str | bytes | Mapping) or not isinstance(results, Iterable):
            raise _no_envelope(results)
        checked = []
        for result in results:
            if not isinstance(result, Envelope):
                raise _no_envelope(result)
            self._check(result)
            checked.append(follow_trace(envelope, result))
        return Outcome(checked)


def _no_envelope(result: object) -> PumpError:
    hint = "return an envelope, an iterable of envelopes, or None"
    if inspect.iscoroutine(result):
        result.close()
        hint = "give the pump the coroutine function itself: async def"
    return PumpError(9903, f"the handler returned {type(result).__name__}, not Envelope", hint=hint)


def poison(error: BaseException, *, passing: bool = False) -> Outcome:
    """Return the outcome that an error is."""
    frames = traceback.extract_tb(error.__traceback__)
    places = "".join(f"{frame.name}:{frame.line}\n" for frame in frames[1:])
    digest = hashlib.sha256(f"{places}{type(error).__name__}: {error}".encode("utf-8", "replace")).hexdigest()
    reason = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return Outcome((), reason[:1000], digest, passing)
