"""Handlers that take a decoded value: a decorator at the border, for pydantic, msgspec or a function of one's own."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from x07py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.msg.envelope import Envelope

M = TypeVar("M")
_PLACES = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def typed(decode: Callable[[bytes], M]) -> Callable[[Callable[..., Any]], Callable[[Envelope], Any]]:
    """Return a decorator for a handler that takes the decoded value, and the envelope if it has a second parameter.

    A value that does not decode is a message that the handler cannot take: its error makes it a dead letter.

    ::

        @typed(Order.model_validate_json)  # pydantic; of msgspec, msgspec.json.Decoder(Order).decode
        def handle(order: Order) -> Envelope | None: ...

    Args:
        decode: from the bytes of a value to what the handler takes.

    Raises:
        UsageError: ``X07_HANDLER``, when it decorates, for a function of no or of more than two parameters.
    """

    def decorate(handler: Callable[..., Any]) -> Callable[[Envelope], Any]:
        places = [one for one in inspect.signature(handler).parameters.values() if one.kind in _PLACES]
        if len(places) not in {1, 2}:
            name = getattr(handler, "__qualname__", repr(handler))
            hint = "let it take the value, or the value and the envelope"
            raise UsageError("X07_HANDLER", f"the handler {name} takes {len(places)} arguments", hint=hint)
        both = len(places) == 2

        def arguments(envelope: Envelope) -> tuple[Any, ...]:
            value = decode(envelope.value)
            return (value, envelope) if both else (value,)

        if inspect.iscoroutinefunction(handler):

            @wraps(handler)
            async def handle_on_loop(envelope: Envelope) -> Any:
                return await handler(*arguments(envelope))

            return handle_on_loop

        @wraps(handler)
        def handle(envelope: Envelope) -> Any:
            return handler(*arguments(envelope))

        return handle

    return decorate
