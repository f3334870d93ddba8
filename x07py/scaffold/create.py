"""A project from a template: written beside its place and moved there whole, so that no half of one is left."""

from __future__ import annotations

import importlib.util
import json
import keyword
import re
import shlex
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from x07py._version import __version__
from x07py.arch.check import Request, check
from x07py.arch.documents import pretty
from x07py.arch.first_manifest import manifest_bytes
from x07py.arch.project import MANIFEST_PATH
from x07py.contracts.defaults import POLICY_ID
from x07py.contracts.project import read_project
from x07py.contracts.starter import Starter, starter_contracts, starter_profile, starter_topology, topic_row
from x07py.drivers.base import Dialect
from x07py.drivers.plugin import FIRST_FREE_NUMBER, driver_kinds
from x07py.errors import FileError, UsageError
from x07py.pkg.change import add
from x07py.scaffold.manifest import driver_manifest, pure_manifest, worker_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from x07py.contracts.loader import JsonObject

_FILES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_TOPICS = ("orders", "alerts", "orders-dead")


@dataclass(frozen=True, slots=True)
class Template:
    """What a template holds: its line of help, the contracts for a package, and the capability that it needs."""

    about: str
    contracts: Callable[[str], dict[str, JsonObject]]
    capability: str | None


def _kafka(package: str) -> dict[str, JsonObject]:
    starter = Starter(tuple(map(topic_row, _TOPICS)), {"kafka": (starter_profile("kafka"),)})
    return {MANIFEST_PATH: worker_manifest(package, starter), **starter_contracts(starter)}


def _amqp(package: str) -> dict[str, JsonObject]:
    topology = starter_topology("amqp", "app_v1", dict.fromkeys(_TOPICS, True))
    starter = Starter(tuple(map(topic_row, _TOPICS)), {"amqp": (starter_profile("amqp"),)}, (topology,))
    return {MANIFEST_PATH: worker_manifest(package, starter), **starter_contracts(starter)}


def _pure(package: str) -> dict[str, JsonObject]:
    return {MANIFEST_PATH: pure_manifest(package)}


def _driver(package: str) -> dict[str, JsonObject]:
    kind = driver_kind(package)
    files = starter_contracts(Starter(tuple(map(topic_row, _TOPICS))))
    operations = Dialect.of(kind, FIRST_FREE_NUMBER, ("", "", ""), ("ack", "nack", "commit", "lag"), 0).recorded()
    policy = {"id": POLICY_ID, "ops_allowed": operations}
    files["arch/rr/index.x07rr.json"] = {"schema_version": "x07py.arch.rr.index@0.1.0", "policies": [policy]}
    numbers = {"max_message_bytes": 65536, "max_items": 100, "lease_s": 30}
    profiles = [{"id": "local", "file": "queues.db", **numbers}]
    files[f"arch/msg/{kind}/index.x07{kind}.json"] = {"profiles": profiles}
    tried = {f"tests/project/{path}": document for path, document in files.items()}
    return {MANIFEST_PATH: driver_manifest(package), **tried}


def driver_kind(package: str) -> str:
    """Return the kind of the driver in a package: its name without a leading ``x07_``."""
    return package.removeprefix("x07_")


TEMPLATES = {
    "worker": Template("a service on Kafka", _kafka, "ext-msg-kafka-c"),
    "worker-amqp": Template("a service on RabbitMQ", _amqp, "ext-msg-amqp-c"),
    "driver": Template("a driver for another broker", _driver, None),
    "pure": Template("a library of pure logic", _pure, None),
}


def create_project(folder: Path, template: str) -> list[str]:
    """Write a project called like its folder; it passes its own tests as it is.

    Args:
        folder: where it shall stand: no such folder yet, or an empty one.
        template: a name in `TEMPLATES`.

    Returns:
        The files, relative to the folder, sorted.

    Raises:
        UsageError: ``X07_INIT_NAME`` if the folder's name cannot be that of a package, ``X07_INIT_EXISTS`` if the
            folder holds something.
        FileError: ``X07IO_WRITE``.
    """
    folder = folder.resolve()
    package = package_name(folder.name)
    if template == "driver" and driver_kind(package) in driver_kinds():
        raise UsageError(
            "X07_INIT_NAME", f"a driver called {driver_kind(package)!r} is installed", hint="choose another name"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "X07_INIT_EXISTS",
            "there is something already, and nothing is overwritten",
            where=str(folder),
            hint="give a new folder, or `x07 init --template existing` for the project that is there",
        )
    with _moved_whole(folder) as draft:
        _fill(draft, template, folder.name, package)
        return sorted(path.relative_to(draft).as_posix() for path in draft.rglob("*") if path.is_file())


def package_name(name: str) -> str:
    """Return the import name for a project's name.

    Raises:
        UsageError: ``X07_INIT_NAME``.
    """
    package = re.sub(r"[.-]+", "_", name).lower()
    taken = package in sys.stdlib_module_names or keyword.iskeyword(package) or package in {"tests", "x07py"}
    if not taken and package in _needed():
        raise UsageError(
            "X07_INIT_NAME",
            f"the project would need a library called {package!r} itself, and would hide it",
            hint="choose another name",
        )
    if not taken and _is_installed(package):
        raise UsageError(
            "X07_INIT_NAME",
            f"a library called {package!r} is installed here, and a project of that name would hide it",
            hint="choose another name",
        )
    if not _NAME.fullmatch(name) or taken:
        raise UsageError(
            "X07_INIT_NAME",
            f"a package cannot be called {name!r}",
            hint="letters, digits, '.', '-' and '_', a letter first, and no name of Python's own library",
        )
    return package


def _needed() -> set[str]:
    """Return import names, as far as a distribution's own name tells, of what x07py and its extras need."""
    names = [re.split(r"[^A-Za-z0-9._-]", row, maxsplit=1)[0] for row in requires("x07py") or ()]
    return {"pytest", *(re.sub(r"[.-]+", "_", name).lower() for name in names)}


def _is_installed(package: str) -> bool:
    """Return whether a regular module of this name stands on the import path."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:
        return True
    return spec is not None and spec.origin is not None


@contextmanager
def _moved_whole(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, and move what it holds to `folder` if all went well."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        yield draft
        folder.mkdir(exist_ok=True)
        for path in draft.iterdir():
            path.rename(folder / path.name)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _cannot_write(folder: Path, error: OSError) -> FileError:
    return FileError(
        "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(folder), hint="check who may write there"
    )


def _fill(root: Path, template: str, name: str, package: str) -> None:
    words = {"@NAME@": name, "@PACKAGE@": package, "@VERSION@": __version__}
    words |= {"@KIND@": driver_kind(package), "@DISTRIBUTION@": package.replace("_", "-")}
    for source in (_FILES / "common", _FILES / template):
        for path in sorted(source.rglob("*")):
            if path.is_file():
                _copy(path, root / _target(path.relative_to(source), package), words)
    _name_checkout(root / "Makefile")
    chosen = TEMPLATES[template]
    for place, document in chosen.contracts(package).items():
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(manifest_bytes(document) if place == MANIFEST_PATH else pretty(document))
    if chosen.capability is not None:
        add(read_project(root), chosen.capability, sync=False, offline=True)
        shutil.rmtree(root / ".x07")
    check(Request(root, MANIFEST_PATH, write_lock=True))


def _name_checkout(makefile: Path) -> None:
    """Let the project take x07py from where it is installed from here, if that is no index."""
    origin = json.loads(distribution("x07py").read_text("direct_url.json") or "{}")
    if "url" not in origin:
        return
    where = str(origin["url"])
    if "vcs_info" in origin:
        where = f"{origin['vcs_info']['vcs']}+{where}@{origin['vcs_info']['commit_id']}"
    elif where.startswith("file:"):
        where = url2pathname(urlsplit(where).path)
    editable = "--editable " if origin.get("dir_info", {}).get("editable") else ""
    own = "\t$(BIN)/pip install --quiet --editable . --group dev\n"
    source = shlex.quote(where).replace("$", "$$")
    line = f"\t$(BIN)/pip install --quiet {editable}{source}  # x07py; drop this line where an index has it\n"
    text = makefile.read_text(encoding="utf-8")
    makefile.write_text(text.replace(own, line + own), encoding="utf-8")


def _target(path: Path, package: str) -> Path:
    text = path.as_posix().removesuffix(".tmpl").replace("@PACKAGE@", package)
    return Path(*(re.sub(r"^dot_", ".", part) for part in text.split("/")))


def _copy(source: Path, target: Path, words: dict[str, str]) -> None:
    data = source.read_bytes()
    if source.suffix == ".tmpl":
        for word, value in words.items():
            data = data.replace(word.encode(), value.encode())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
