"""``x07-package.json``: what only x07 knows of a package, as it stands inside of its distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from x07py.contracts.loader import parse_json
from x07py.contracts.requirement import NAME, Need, parse_spec
from x07py.errors import PackageError
from x07py.files import CONTRACT_BYTES, read_file
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "x07-package.json"
SCHEMA = "x07.package@1.0.0"
_TEXTS = ("name", "version", "description")
_LISTS = ("modules", "worlds_allowed", "requires_packages", "capabilities", "driver_kinds", "clients")
_KNOWN = {"schema_version", "extra", *_TEXTS, *_LISTS}


class PackageDocument(NamedTuple):
    """A package as its author describes it.

    Args:
        name: package name; that of the distribution, where that holds one package.
        version: version of the package, PEP 440.
        description: one line for people.
        modules: dotted names of its modules; a package counts with all that is below it.
        worlds: the worlds in which these may be imported, sorted.
        requires: other packages that it needs.
        capabilities: ids such as ``msg.kafka``.
        driver_kinds: kinds of the drivers that its distribution registers under ``x07.drivers``.
        extra: the extra of the distribution that brings what it needs, empty for none.
        clients: names of the distributions below it whose versions the lock holds.
    """

    name: str
    version: str
    description: str
    modules: tuple[str, ...]
    worlds: tuple[str, ...]
    requires: tuple[Need, ...]
    capabilities: tuple[str, ...]
    driver_kinds: tuple[str, ...]
    extra: str
    clients: tuple[str, ...]


def read_document(file: Path) -> PackageDocument:
    """Return the package that a file describes.

    Raises:
        PackageError: ``X07PKG_MANIFEST_PARSE``.
    """
    try:
        document = parse_json(read_file(file, limit=CONTRACT_BYTES))
    except OSError as error:
        _refuse(file, f"cannot be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        _refuse(file, f"not valid JSON: {error}")
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA:
        _refuse(file, f"its schema_version is not {SCHEMA!r}")
    if unknown := sorted(document.keys() - _KNOWN):
        _refuse(file, f"it has fields that x07py does not know: {', '.join(unknown)}")
    for name in _TEXTS:
        if not isinstance(document.get(name), str) or not document[name].strip():
            _refuse(file, f"{name} is not a text")
    rows = {name: _names(file, document, name) for name in _LISTS}
    if not NAME.fullmatch(document["name"]) or not isinstance(document.get("extra", ""), str):
        _refuse(file, "name or extra is not a name")
    if not rows["modules"] or not all(_is_dotted(module) for module in rows["modules"]):
        _refuse(file, "modules is not a list of dotted names")
    if not rows["worlds_allowed"] or not set(rows["worlds_allowed"]) <= WORLDS.keys():
        _refuse(file, f"worlds_allowed is not a list of {', '.join(sorted(WORLDS))}")
    return PackageDocument(
        name=document["name"],
        version=document["version"],
        description=document["description"],
        modules=rows["modules"],
        worlds=rows["worlds_allowed"],
        requires=tuple(_need(file, text) for text in rows["requires_packages"]),
        capabilities=rows["capabilities"],
        driver_kinds=rows["driver_kinds"],
        extra=document.get("extra", ""),
        clients=rows["clients"],
    )


def _names(file: Path, document: dict[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        _refuse(file, f"{name} is not a list of texts")
    return tuple(sorted(set(value)))


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def _need(file: Path, text: str) -> Need:
    try:
        return parse_spec(text)
    except PackageError as error:
        _refuse(file, f"requires_packages: {error.message}")


def _refuse(file: Path, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_MANIFEST_PARSE",
        f"the package's document cannot be used: {what}",
        where=str(file),
        hint="tell its author; docs/reference/pkg.md lists the fields",
    )
