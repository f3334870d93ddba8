"""The real brokers as private processes of a project: Apache Kafka in KRaft mode, RabbitMQ as a node of its own.

Kafka comes as jars from Maven Central, fetched once for each version into the user's cache, and runs on the machine's
Java. RabbitMQ is Debian's ``rabbitmq-server``, started without its wrapper script, which insists on the system's node.
Both listen on 127.0.0.1 alone and keep all that they write in a folder of the user for this project.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree as ET

from x07py.errors import DriverError, NotInstalledError, error_of
from x07py.files import digest_tree, read_file
from x07py.files.own import cache_folder, state_folder
from x07py.printing import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_POM, _SUMS = (Path(__file__).with_name(name) for name in ("kafka.pom.xml", "kafka.sha256"))
_FETCH_TIMEOUT_S = 600
_FORMAT_TIMEOUT_S = 60
_CLUSTER = "x07py-development-000"
_PORT_BYTES = 16
_LOOPBACK = "127.0.0.1"
_PORTS = (20_000, 32_000)


class Launch(NamedTuple):
    """How to start a broker: command line, and environment variables on top of this process's."""

    command: list[str]
    env: dict[str, str]


def kafka_launch(
    folder: Path, port: int, settings: Mapping[str, str], say: Callable[[str], None], *, project: Path
) -> Launch:
    """Prepare a Kafka broker whose data stands in `folder`, formatting it if it is new.

    Args:
        folder: the broker's own folder; it exists.
        port: where clients connect.
        settings: lines of server.properties that replace or join those below.
        say: gets one line when something takes longer.
        project: the project, in which no jars are looked for.

    Raises:
        DriverError: 9629 if Java or Maven is missing, or the jars cannot be fetched; 9628 if formatting fails.
    """
    java = _program("java", "apt-get install default-jre-headless")
    classpath = f"{fetch_kafka(say, project)}/*"
    data, config = folder / "data", folder / "server.properties"
    control = free_port()
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{_LOOPBACK}:{control}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "advertised.listeners": f"PLAINTEXT://{_LOOPBACK}:{port}",
        "listeners": f"PLAINTEXT://{_LOOPBACK}:{port},CONTROLLER://{_LOOPBACK}:{control}",
        "log.dirs": str(data),
        "num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        **settings,
    }
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")
    flags = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    if not (data / "meta.properties").is_file():
        tool = ["kafka.tools.StorageTool", "format", "--config", str(config), "--cluster-id", _CLUSTER]
        _run([java, *flags, "-cp", classpath, *tool], 9628, "cannot format Kafka's data folder", _FORMAT_TIMEOUT_S)
    return Launch([java, *flags, "-cp", classpath, "kafka.Kafka", str(config)], {})


def rabbitmq_launch(folder: Path, port: int, settings: Mapping[str, str]) -> Launch:
    """Prepare a RabbitMQ node whose data stands in `folder`; its user is guest with password guest.

    The node's name server (epmd) is its own too: with the machine's, a node of another user would be in the way.

    Args:
        folder: the node's own folder; it exists.
        port: where clients connect.
        settings: lines of rabbitmq.conf that replace or join those below.

    Raises:
        DriverError: 9629 if rabbitmq-server is not installed.
    """
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found:
        raise _missing("rabbitmq-server", "apt-get install rabbitmq-server")
    names = folder / "epmd.port"
    if not names.is_file():
        names.write_text(str(free_port()), encoding="utf-8")
    plugins, config = folder / "enabled_plugins", folder / "rabbitmq.conf"
    plugins.write_text("[].\n", encoding="utf-8")
    usual = {"log.console": "true", "log.file": "false", "disk_free_limit.absolute": "50MB"}
    lines = [f"{name} = {value}\n" for name, value in {**usual, **settings}.items()]
    config.write_text("".join(lines), encoding="utf-8")
    return Launch(
        [str(found[-1])],
        {
            "HOME": str(folder),
            "ERL_EPMD_PORT": read_file(names, limit=_PORT_BYTES).decode(),
            "ERL_EPMD_ADDRESS": _LOOPBACK,
            "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_NODENAME": "x07@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": _LOOPBACK,
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONFIG_FILE": str(config),
            # makes the start script become the broker, so that its process id is the broker's
            "RUNNING_UNDER_SYSTEMD": "1",
        },
    )


def end_name_server(folder: Path) -> None:
    """End the epmd that a RabbitMQ node in `folder` has left behind, if there is one."""
    names = folder / "epmd.port"
    if names.is_file() and (epmd := shutil.which("epmd")):
        command = [epmd, "-port", read_file(names, limit=_PORT_BYTES).decode(), "-kill"]
        subprocess.run(command, capture_output=True, check=False, timeout=_FORMAT_TIMEOUT_S)


def free_port() -> int:
    """Return a TCP port of the loopback interface that nothing listens on.

    It is none of those that the system gives to connections: a broker that is started again must find its port free,
    and clients that try to reach it meanwhile would be given that very port now and then. No other call on this machine
    is given it as long as this process lives.
    """
    while True:
        port = random.randint(*_PORTS)  # noqa: S311
        with socket.socket() as probe, suppress(OSError):
            probe.bind((_LOOPBACK, port))
            _reserve(port)
            return port


def _reserve(port: int) -> None:
    """Take a name that stands for a port and that one process can have at a time, until this one ends.

    Raises:
        OSError: if it is taken.
    """
    with socket.socket(socket.AF_UNIX) as name:
        name.bind(f"\0x07py-port-{port}")
        name.detach()


def kafka_version() -> str:
    """Return the version of Apache Kafka that is used."""
    space = "{http://maven.apache.org/POM/4.0.0}"
    found = ET.parse(_POM).findtext(f".//{space}dependency/{space}version")  # noqa: S314
    return found or ""


def fetch_kafka(say: Callable[[str], None], project: Path | None = None) -> Path:
    """Return the folder of Kafka's jars, fetching them into the user's cache the first time.

    Each time they are held to the checksums that x07py brings with it, because a broker runs what they hold.

    Args:
        say: gets one line before anything is fetched.
        project: a folder whose own jars are never run, wherever ``XDG_CACHE_HOME`` points; by default the current one.

    Raises:
        DriverError: 9629 if Maven is missing or fails, or the jars are not those that x07py names.
    """
    here = project or Path.cwd()
    cache = (cache_folder(here) or state_folder(here)) / "x07py"
    jars = cache / f"kafka-{kafka_version()}"
    if jars.is_dir():
        _hold_to_sums(jars)
        return jars
    maven = _program("mvn", "apt-get install maven")
    say(f"fetching Apache Kafka {kafka_version()} from Maven Central (40 MB, once)")
    partial = cache / f"{jars.name}.{os.getpid()}"
    where = [f"-DoutputDirectory={partial}", "-DincludeScope=runtime"]
    _run([maven, "-q", "-B", "-C", "-f", str(_POM), "dependency:copy-dependencies", *where], 9629, "cannot fetch Kafka")
    _hold_to_sums(partial)
    try:
        partial.rename(jars)
    except OSError:  # another process was faster
        shutil.rmtree(partial)
    return jars


def _hold_to_sums(jars: Path) -> None:
    """Refuse a folder that does not hold exactly the files of the list, each with its SHA-256."""
    rows = (line.split() for line in _SUMS.read_text(encoding="ascii").splitlines())
    wanted = {name: bytes.fromhex(digest) for digest, name in rows}
    found = digest_tree(jars)
    if wrong := sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)):
        raise error_of(
            9629,
            f"{escaped(wrong[0])} of Apache Kafka {kafka_version()} is not the file that was released",
            where=str(jars),
            hint="delete this folder, then run the command again, which fetches them anew",
        )


def _program(name: str, hint: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise _missing(name, hint)
    return path


def _missing(name: str, hint: str) -> DriverError:
    return NotInstalledError(
        9629, f"the program {name!r} is not installed", hint=f"{hint}; or use --embedded for Kafka"
    )


def _run(command: list[str], code: int, message: str, timeout: int = _FETCH_TIMEOUT_S) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=_POM.parent,  # not the project's folder, in which Maven would look for .mvn
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise error_of(code, f"{message}: no end after {timeout} s", hint="try again") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
        raise error_of(code, f"{message}: {lines[-1]}", where=command[0], hint="correct what it says, try again")
