"""Handlers that take a decoded value: a decorator at the border, for pydantic, msgspec or a function of one's own."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from x07py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.msg.envelope import Envelope

M = TypeVar("M")
_PLACES = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Reader(Protocol):
    """What decodes a value and may need the message's headers for it, as a `Subject` does."""

    def decode(self, data: Envelope) -> Any:
        """Return the decoded value of a message."""
        ...


def typed(decode: Callable[[bytes], M] | Reader) -> Callable[[Callable[..., Any]], Callable[[Envelope], Any]]:
    """Return a decorator for a handler that takes the decoded value, and the envelope if it has a second parameter.

    A value that does not decode is a message that the handler cannot take: its error makes it a dead letter.

    ::

        @typed(Order.model_validate_json)  # pydantic; of msgspec, msgspec.json.Decoder(Order).decode
        def handle(order: Order) -> Envelope | None: ...

    Args:
        decode: from the bytes of a value to what the handler takes; or what decodes messages, as a `Subject` does.

    Raises:
        UsageError: ``X07_HANDLER``, when it decorates, for a function of no or of more than two parameters.
    """

    def read(envelope: Envelope) -> Any:
        return decode(envelope.value) if callable(decode) else decode.decode(envelope)

    def decorate(handler: Callable[..., Any]) -> Callable[[Envelope], Any]:
        places = [one for one in inspect.signature(handler).parameters.values() if one.kind in _PLACES]
        if len(places) not in {1, 2}:
            name = getattr(handler, "__qualname__", repr(handler))
            hint = "let it take the value, or the value and the envelope"
            raise UsageError("X07_HANDLER", f"the handler {name} takes {len(places)} arguments", hint=hint)
        both = len(places) == 2

        def arguments(envelope: Envelope) -> tuple[Any, ...]:
            value = read(envelope)
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
