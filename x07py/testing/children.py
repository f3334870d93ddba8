"""Forked and spawned processes of a program on a cassette: their connections are served where the cassette is.

What is on a cassette by its classes (confluent-kafka) has its state in one process. Elsewhere its clients come to the
cassette by their connections, if the kernel hands those over; else they are refused.
"""

from __future__ import annotations

import os
import sys

from x07py.rr import Mode
from x07py.testing import registry
from x07py.testing.arrivals import Arrivals
from x07py.testing.libraries import PACKAGES, library
from x07py.wire.process.control import VARIABLE, ChildEntrance
from x07py.wire.process.replaced import tell_when_replaced
from x07py.wire.process.sockets import WAY
from x07py.wire.stand_in import Address

_BY_CLASSES = "confluent_kafka"
_joined = False


class _Refused:
    """Stands where a tape would, for one client library, and refuses its clients."""

    def __init__(self, entrance: ChildEntrance, name: str) -> None:
        self._entrance, self._name = entrance, name

    def touch(self) -> None:
        """Refuse the client that is being made.

        Raises:
            CassetteError: ``X07_CASSETTE_CONNECTION``.
        """
        why = f"from a child process, in which clients of {self._name} cannot be on the cassette"
        self._entrance.refuse(Address("its broker", 0), why)


def join_parent() -> None:
    """Let this process's connections be served by the cassette that the environment names, if it names one."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return
    entrance = ChildEntrance(text)
    refused: dict[str, _Refused] = {}

    def join(package: str) -> None:
        joining = library(package, Mode.RECORD_MISSING)
        refused[joining.name] = _Refused(entrance, package)
        joining.install()

    packages = [one for one in PACKAGES if one != _BY_CLASSES or not entrance.natives_are_handed_over]
    WAY.open(entrance)
    tell_when_replaced(lambda package: _Refused(entrance, package).touch())
    registry.push(refused)
    Arrivals(packages, join).watch()
    for package in packages:
        if package in sys.modules:
            join(package)


def forget_parent_and_join() -> None:
    """Do in a forked process what a spawned one does: the cassette's memory here is a copy that nothing comes of."""
    if not registry.in_use() or os.environ.get(VARIABLE) is None:
        return
    WAY.forget()
    registry.forget()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Arrivals)]
    join_parent()


def follow_forks() -> None:
    """Have it done in every process that is forked from now on."""
    global _joined  # noqa: PLW0603 - such calls are of the process and cannot be taken back
    if not _joined and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget_parent_and_join)
        _joined = True
