"""Client libraries that a solve world lets in: those with drop-ins, on the cassette of the run.

Their own clients could reach nothing, for the kernel refuses every socket; the drop-ins replay the cassette instead. It
is opened at the first import of such a library, so that a program without one pays nothing. Where the run has no
cassette, the program may open its own, later than that import; a client outside of one is refused, as it would try for
ever to connect: no time passes while it waits.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn, Self

from x07py import run_report_channel
from x07py.errors import RunError
from x07py.osbound import os_bound_table
from x07py.run.command_line import error_text
from x07py.run.plan import EXIT_REFUSED
from x07py.worlds import ENV_CASSETTE, ENV_MODE, current_world

if TYPE_CHECKING:
    from types import TracebackType

    from x07py.testing.cassette import use_cassette
    from x07py.wire.stand_in import Address
    from x07py.worlds import World


def _refuse(client: str) -> NoReturn:
    """End a program that makes a client outside of every cassette.

    At once: an error would have aio_pika try again, for ever, and an exit have asyncio complain of it.
    """
    error = RunError(
        "X07RUN_NO_CASSETTE",
        f"{client} is made, and no cassette is in use for it",
        where=f"world {current_world().name}",
        hint='pass --cassette NAME, or make it inside `with use_cassette("NAME", mode="none")`',
    )
    sys.stdout.flush()
    sys.stderr.write(error_text(error))
    sys.stderr.flush()
    os._exit(EXIT_REFUSED)


class _NoTape:
    """Stands where a tape would, for one client library that is on a cassette by its classes."""

    def __init__(self, library: str) -> None:
        self._library = library

    def touch(self) -> None:
        _refuse(f"a client of {self._library}")


class _NoDoor:
    """Stands where a cassette's entrance would."""

    def __init__(self) -> None:
        from x07py.wire.process.names import Names

        self.names = Names()

    def admit(self, address: Address, host: str, timeout: float | None) -> NoReturn:  # noqa: ARG002
        _refuse(f"a connection to {address}")

    def datagram(self, address: Address) -> NoReturn:
        _refuse(f"a connection to {address}")

    def looks_up(self, host: str) -> bool:  # noqa: ARG002
        return False

    def descriptors(self) -> set[int]:
        return set()


class ReplayGuard:
    """The cassette of a run, for programs that use a client library themselves; a context manager around the program.

    Args:
        world: the world of the program; only one that replays cassettes lets a library in.

    Attributes:
        opened: whether the program came to need the cassette.
    """

    def __init__(self, world: World) -> None:
        replays = world.replay and os.environ.get(ENV_MODE) == "replay"
        self._name = os.environ.get(ENV_CASSETTE) if replays else None
        self._replays = replays
        self._cassette: use_cassette | None = None
        self.opened: bool = False

    def admits(self, module: str) -> bool:
        """Tell whether a module may be imported after all; opens the cassette if it is the first that may.

        Raises:
            CassetteError: the cassette cannot be used.
        """
        if not self._replays or module.partition(".")[0] not in os_bound_table().replayed:
            return False
        used = sys.modules.get("x07py.testing.registry")
        if used is not None and used.in_use():
            return True
        if self._name is None:
            _refuse_clients()
        else:
            from x07py.testing.cassette import use_cassette

            self.opened = True
            self._cassette = use_cassette(self._name, mode="none").__enter__()
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the cassette; entries left over are no fault if the program replayed through something else.

        Raises:
            ReplayMismatchError: what the program did is not what was recorded.
        """
        cassette, self._cassette = self._cassette, None
        if cassette is None:
            return
        if cassette.last_activity is None and run_report_channel.kept("cassettes"):
            cassette.allow_unused = True
        ended = None if isinstance(error, SystemExit) else error
        cassette.__exit__(type(ended) if ended is not None else None, ended, trace)


def _refuse_clients() -> None:
    """From now on, refuse clients that are made outside of the program's own cassettes."""
    from x07py.rr import Mode
    from x07py.testing import registry
    from x07py.testing.arrivals import Arrivals
    from x07py.testing.libraries import PACKAGES, library
    from x07py.wire.process.sockets import WAY

    refusing: dict[str, _NoTape] = {}

    def join(package: str) -> None:
        joining = library(package, Mode.REPLAY)
        refusing[joining.name] = _NoTape(package)
        joining.install()

    registry.push(refusing)
    WAY.open(_NoDoor())
    Arrivals(PACKAGES, join).watch()
