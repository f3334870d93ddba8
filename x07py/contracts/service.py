"""The manifest of a service: what it consumes and how, read by its pump and by whoever runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.contracts.loader import JsonObject, read_object
from x07py.contracts.schema_check import surely_fits
from x07py.contracts.schemas import load_schema
from x07py.errors import ContractError
from x07py.files import is_inside

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = "arch/msg/services"
ENDING = ".service.json"
SCHEMA = "x07py.arch.msg.service"
EXACTLY_ONCE = "exactly_once_v1"


@dataclass(frozen=True, slots=True)
class Probes:
    """Where a service tells whether it is alive and ready: a port of every address, and after how many seconds with
    the same message its handler is taken to hang."""

    port: int
    stall_s: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many replicas there are, and how many waiting messages one of them is for."""

    min_replicas: int
    max_replicas: int
    messages_per_replica: int


@dataclass(frozen=True, slots=True)
class Service:
    """What a service consumes and how.

    `in_flight` is the most messages that it has taken and not settled; `drain_s` how many seconds it may take to end.
    """

    id: str
    driver: str
    profile: str
    sources: tuple[str, ...]
    group: str
    exactly_once: bool
    dead_letter: str
    in_flight: int
    drain_s: float
    probes: Probes | None
    scaling: Scaling | None


def service_ids(root: Path) -> list[str]:
    """Return the ids of the services of a project, sorted; a folder that a link leads out to holds none."""
    folder = root / FOLDER
    if not is_inside(folder, root):
        return []
    return sorted(path.name.removesuffix(ENDING) for path in folder.glob(f"*{ENDING}"))


def read_service(root: Path, service_id: str) -> Service:
    """Return a service of the project at `root`.

    Raises:
        ContractError: 9904 if there is none of that id, or its manifest cannot be used.
    """
    known = service_ids(root)
    if service_id not in known:
        hint = f"there are: {', '.join(known)}" if known else f"write {FOLDER}/{service_id}{ENDING}"
        raise ContractError(9904, f"no service has the id {service_id!r}", where=str(root / FOLDER), hint=hint)
    path = root / FOLDER / f"{service_id}{ENDING}"
    document = read_object(path, root=root, code=9904, hint="x07 arch check tells what is wrong")
    wrong = _fault(document, service_id)
    if wrong:
        raise ContractError(9904, wrong, where=str(path), hint="x07 arch check shows every fault")
    return _service(document)


def _fault(document: JsonObject, service_id: str) -> str:
    if not surely_fits(document, load_schema(SCHEMA)):
        return f"the manifest does not fit the schema {SCHEMA}"
    return service_fault(document) or ("" if document["id"] == service_id else f"its id is {document['id']!r}")


def service_fault(document: JsonObject) -> str:
    """Return what is wrong with a manifest that fits its schema; empty if nothing is."""
    scaling: dict[str, Any] = document.get("scaling") or {"min_replicas": 0, "max_replicas": 1}
    if scaling["min_replicas"] > scaling["max_replicas"]:
        return "min_replicas is more than max_replicas"
    return ""


def _service(document: JsonObject) -> Service:
    probes, scaling = document.get("probes"), document.get("scaling")
    return Service(
        id=document["id"],
        driver=document["driver"],
        profile=document["profile"],
        sources=tuple(document["sources"]),
        group=document.get("group", ""),
        exactly_once=document.get("ack_mode") == EXACTLY_ONCE,
        dead_letter=document.get("dead_letter", ""),
        in_flight=document["in_flight"],
        drain_s=float(document["drain_s"]),
        probes=Probes(probes["port"], float(probes["stall_s"])) if probes else None,
        scaling=Scaling(**{name: scaling[name] for name in Scaling.__slots__}) if scaling else None,
    )
