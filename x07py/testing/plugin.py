"""The pytest plugin: cassettes by marker, a development broker, no network while replaying.

It is loaded by its entry point. Nothing here imports a client library before a test asks for a cassette.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from x07py.contracts.loader import find_root
from x07py.errors import ReplayMismatchError, X07Error
from x07py.printing import escaped
from x07py.testing.assertions import explain_difference
from x07py.testing.failing_call import as_failure_of_test
from x07py.testing.marker import OF_EXPLORATION, check_marker
from x07py.worlds import CASSETTES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from x07py.testing.cassette import use_cassette

RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
_USED, _KEPT, _BESIDE, _LOOSE = "x07_used", "x07_kept", "x07_beside", "x07_loose"
_notes = pytest.StashKey[dict[str, set[str]]]()
"""What is told at the end of the run, by the names under which a worker of pytest-xdist hands it over."""
_first = pytest.StashKey[dict[str, str]]()
"""The first test of this run on each cassette."""
_passed = pytest.StashKey[bool]()
_cassette = pytest.StashKey["use_cassette"]()
_told = pytest.StashKey[X07Error]()
_network = pytest.StashKey[str]()
_by_kernel = pytest.StashKey[bool]()
_brokers = pytest.StashKey[ExitStack]()
_addresses = pytest.StashKey[dict[str, str]]()
_NOWHERE = {"kafka": "127.0.0.1:1", "amqp": "amqp://guest:guest@127.0.0.1:1/"}
_SEEN = (
    "x07: network: recording tests: open; seen are Python's sockets, and what libraries in C have open at a test's end"
)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.=-]+")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("x07", "cassettes of programs on Kafka and RabbitMQ")
    group.addoption(
        "--x07-record",
        choices=RECORD_MODES,
        help="mode of all cassettes of this run: none replays, once records what has no cassette, new_episodes records "
        "what is missing, all (or rewrite) records everything anew; default: the marker's mode, else once",
    )
    group.addoption(
        "--x07-no-network",
        action="store_true",
        help="let the kernel take the network from the whole run; fails if it refuses",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker, and give the network up if that was asked for."""
    config.addinivalue_line(
        "markers",
        "x07(cassette=None, world=None, broker='kafka', **options): run the test on a cassette; "
        "options are those of use_cassette",
    )
    notes: dict[str, set[str]] = {name: set() for name in (_USED, _KEPT, _BESIDE, _LOOSE)}
    config.stash[_notes], config.stash[_first] = notes, {}
    config.stash[_brokers], config.stash[_addresses] = ExitStack(), {}
    config.stash[_by_kernel], config.stash[_network] = _guard_network(config)
    _compare_packages(config)


def _guard_network(config: pytest.Config) -> tuple[bool, str]:
    """Return whether the kernel takes the network from each replaying test, and what to say of it."""
    from x07py.testing.network import can_step_out, leave_network

    if config.getoption("--x07-no-network"):
        refusal = leave_network()
        if refusal:
            raise pytest.UsageError(f"--x07-no-network: the kernel refuses a network namespace: {refusal}")
        return False, "none in this run (kernel namespace)"
    refusal = can_step_out()
    if refusal:
        return False, f"replaying tests: refused in Python's sockets alone (kernel: {refusal})"
    return True, "replaying tests: none (kernel namespace)"


def _compare_packages(config: pytest.Config) -> None:
    """Compare the project's packages with its lock, once a run."""
    from x07py.contracts.packages import verified_packages

    if hasattr(config, "workerinput"):
        return
    try:
        verified_packages(find_root(config.rootpath))
    except X07Error as error:
        raise pytest.UsageError(f"x07: {error}" + (f"\n  help: {error.hint}" if error.hint else "")) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what holds for this run."""
    mode = config.getoption("--x07-record") or "as marked"
    records = mode != "none" and not config.getoption("--x07-no-network")
    return [f"x07: record {mode}; network: {config.stash[_network]}", *([_SEEN] if records else [])]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Let a test that left its recording fail with what differs, whatever its client made of that."""
    try:
        yield
    except (Exception, pytest.fail.Exception) as raised:
        fault = _fault_of(item)
        _note_sharing(item, raised if fault is None else fault)
        if fault is None:
            raise
        raise as_failure_of_test(fault, raised) from None
    fault = _fault_of(item)
    if fault is not None:
        raise fault


def _fault_of(item: pytest.Item) -> X07Error | None:
    cassette = item.stash.get(_cassette, None)
    if cassette is not None and cassette.failure is not None:
        item.stash[_told] = cassette.failure
        return cassette.failure
    return None


def _note_sharing(item: pytest.Item, raised: BaseException) -> None:
    """Name the other test that is on the cassette, where what was recorded for that one does not fit."""
    cassette = item.stash.get(_cassette, None)
    first = item.config.stash[_first].get(cassette.name, item.nodeid) if cassette is not None else item.nodeid
    if first != item.nodeid and isinstance(raised, ReplayMismatchError):
        raised.add_note(f"{escaped(first)} is on this cassette too: give each of the two a cassette of its own")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note whether the test itself passed: only then its recording becomes the cassette.

    A failure shows the frames of the program, not those of x07py that lie between it and the cassette.
    """
    if call.excinfo is not None:
        _hide_own_frames()
    report = yield
    if call.when == "call":
        item.stash[_passed] = report.passed and not hasattr(report, "wasxfail")
    return report


def _hide_own_frames() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("x07py.") and module is not None:
            module.__dict__["__tracebackhide__"] = True


@pytest.fixture(autouse=True)
def _x07_marked(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("x07"):
        request.getfixturevalue("x07_cassette")


@pytest.fixture
def x07_cassette(request: pytest.FixtureRequest) -> Iterator[use_cassette]:
    """The test's cassette, in use for as long as the test runs."""
    from x07py.pumping.draining import interrupts_taken
    from x07py.testing.cassette import use_cassette
    from x07py.testing.packages import world_packages

    marker = request.node.get_closest_marker("x07")
    if marker:
        check_marker(marker, use_cassette)
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    name = options.pop("cassette", None) or (marker.args[0] if marker and marker.args else _name_of(request.node))
    world = options.pop("world", None)
    options.pop("broker", None)
    for other in OF_EXPLORATION:
        options.pop(other, None)
    chosen = request.config.getoption("--x07-record") or options.pop("mode", "once")
    options.pop("mode", None)
    options.setdefault("root", find_root(request.config.rootpath))
    notes = request.config.stash[_notes]
    options.setdefault("replace_partial", True)
    chosen = "all" if chosen == "rewrite" else chosen
    first = request.config.stash[_first].setdefault(name, request.node.nodeid)
    if chosen == "all" and first != request.node.nodeid:
        chosen = "once"  # another test of this run recorded it: it would be lost
    cassette = use_cassette(name, mode=chosen, **options)
    notes[_USED].add(name)
    with ExitStack() as stack:
        if world:
            stack.enter_context(world_packages(options["root"], world, getattr(request.node, "module", None)))
        if _replays(cassette):
            stack.enter_context(
                _closed_world(world, by_kernel=request.config.stash[_by_kernel] and not cassette.passthrough)
            )
        interrupts = interrupts_taken()
        stack.callback(_forget, request.node)
        with _told_once(request.node), cassette:
            request.node.stash[_cassette] = cassette
            stack.callback(_note_partial, request, cassette)
            stack.callback(lambda: notes[_BESIDE].update(f"{name}: {one}" for one in cassette.not_on_it))
            if cassette.not_compared:
                notes[_LOOSE].add(f"{name}: {cassette.not_compared}")
            yield cassette
            if interrupts_taken() > interrupts:
                request.session.shouldstop = "interrupted by Ctrl-C, which a pump took to stop"
            if request.session.shouldstop or not request.node.stash.get(_passed, False):
                cassette.allow_unused = cassette.allow_empty = True
                cassette.keep_as_partial()


@contextmanager
def _told_once(item: pytest.Item) -> Generator[None]:
    """Let what the test itself has failed with not be its teardown's error as well."""
    try:
        yield
    except X07Error as failure:
        if failure is not item.stash.get(_told, None):
            raise


def _forget(item: pytest.Item) -> None:
    """Let go of the test's cassette, since pytest keeps its tests to the end of the run."""
    if _cassette in item.stash:
        del item.stash[_cassette]
    if _told in item.stash:
        del item.stash[_told]


def _note_partial(request: pytest.FixtureRequest, cassette: use_cassette) -> None:
    if cassette.session.mode.records and cassette.partial is not None:
        request.config.stash[_notes][_KEPT].add(cassette.name)


def _replays(cassette: use_cassette) -> bool:
    return cassette.mode == "none" or (cassette.mode == "once" and cassette.path.exists())


def _closed_world(world: str | None, *, by_kernel: bool) -> ExitStack:
    from x07py.testing.network import no_network
    from x07py.worlds import ENV_WORLD, current_world

    stack = ExitStack()
    if by_kernel:
        stack.enter_context(no_network())
    if world:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv(ENV_WORLD, world)
        try:
            current_world()
        except Exception:
            stack.close()
            raise
    return stack


def _name_of(item: pytest.Item) -> str:
    """Return the cassette of a test without a name of its own: folder and module, class, function and parameters."""
    path, _, rest = item.nodeid.partition("::")
    parts = [*path.removesuffix(".py").split("/"), *rest.split("::")]
    return "/".join(_UNSAFE.sub("-", part).strip(".") or "test" for part in parts) + ".x07rr.bin"


@pytest.fixture
def x07_broker(request: pytest.FixtureRequest) -> str:
    """Address of a broker, started once a run; in a replay nothing is started or listens there.

    An embedded Kafka, or with ``@pytest.mark.x07(broker="amqp")`` the machine's RabbitMQ as a private process.
    """
    marker = request.node.get_closest_marker("x07")
    kind = marker.kwargs.get("broker", "kafka") if marker else "kafka"
    taped = marker or "x07_cassette" in request.fixturenames
    if taped and _replays(request.getfixturevalue("x07_cassette")):
        return _NOWHERE[kind]
    addresses = request.config.stash[_addresses]
    if kind not in addresses:
        brokers = request.config.stash[_brokers]
        addresses[kind] = _start_kafka(brokers) if kind == "kafka" else _start_rabbitmq(brokers)
    return addresses[kind]


def _start_kafka(brokers: ExitStack) -> str:
    from x07py.brokers.embedded import EmbeddedKafka

    return brokers.enter_context(EmbeddedKafka()).bootstrap


def _start_rabbitmq(brokers: ExitStack) -> str:
    from x07py.brokers.process import start_native, stop_broker

    root = Path(brokers.enter_context(tempfile.TemporaryDirectory(prefix="x07-rabbitmq-")))
    running = start_native(root, "amqp", port=0)
    brokers.callback(stop_broker, root, "amqp")
    return f"amqp://guest:guest@{running.address}/"


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the brokers."""
    brokers = config.stash.get(_brokers, None)
    if brokers is not None:
        brokers.close()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain why two messages are not equal, field by field."""
    return explain_difference(left, right) if op == "==" else None


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what is told at the end to the process that tells it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output |= {name: sorted(found) for name, found in session.config.stash[_notes].items()}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist has to tell."""
    notes: dict[str, set[str]] = node.config.stash[_notes]
    for name, found in notes.items():
        found.update(getattr(node, "workeroutput", {}).get(name, ()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List recordings that did not become cassettes, connections beside them, and cassettes that no test used."""
    root, notes = find_root(config.rootpath), config.stash[_notes]

    def section(title: str, rows: Iterable[str]) -> None:
        lines = sorted(rows)
        if lines:
            terminalreporter.section(f"x07: {title}")
        for line in lines:
            terminalreporter.write_line(escaped(line))

    def kept(name: str) -> str:
        old = "is as it was" if (root / CASSETTES / name).exists() else "was not written"
        return f"{CASSETTES}/{name} {old}; the new recording is {name}.partial"

    section("not recorded, since the test did not pass", map(kept, notes[_KEPT]))
    section("connections that went on beside a cassette", notes[_BESIDE])
    section("not compared, although neither a test nor the project says so", notes[_LOOSE])
    if notes[_USED] and _is_whole_run(config):
        stale = _names_in(root / CASSETTES) - notes[_USED]
        section("cassettes that no test used", (f"{CASSETTES}/{name}" for name in stale))


def _names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.x07rr.bin")}


def _is_whole_run(config: pytest.Config) -> bool:
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS
    return not (chosen or config.option.keyword or config.option.markexpr or config.getoption("lf", default=False))
