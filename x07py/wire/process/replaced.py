"""Python's own classes for sockets, and libraries that put others in their place: gevent, eventlet."""

from __future__ import annotations

import _socket
import socket
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def of_python(base: type, module: str) -> type:
    """Return the class that the standard library made of a built-in one, whatever stands under its name now."""
    made: list[type] = base.__subclasses__()
    return next(one for one in made if one.__module__ == module)


SOCKET: type[socket.socket] = of_python(_socket.socket, "socket")


def replaced_by() -> str | None:
    """Return the package whose sockets stand in the place of Python's, or None.

    A subclass of Python's is none, as is what is no class: a test's mock.
    """
    stands: object = socket.socket
    if not isinstance(stands, type) or issubclass(stands, SOCKET):
        return None
    return stands.__module__.partition(".")[0]


class _Watched(types.ModuleType):
    """The module `socket` while somebody wants to know of another class in it."""

    _tell: Callable[[str], None]

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name == "socket" and (package := replaced_by()) is not None:
            self._tell(package)


def tell_when_replaced(tell: Callable[[str], None]) -> Callable[[], None]:
    """Call `tell` with the package that replaces Python's sockets, when it does; what is returned ends that."""
    before = socket.__class__
    watched = type("_Watched", (_Watched,), {"_tell": staticmethod(tell)})
    socket.__class__ = watched

    def end() -> None:
        socket.__class__ = before

    return end
