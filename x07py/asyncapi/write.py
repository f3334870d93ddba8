"""Writing contracts that were taken from a document into a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.check import Request, check
from x07py.arch.documents import pretty
from x07py.arch.init import contracts_only, first_manifest
from x07py.arch.lock import LOCK_PATH, manifest_lock_bytes
from x07py.arch.manifest import SCHEMA_VERSION, read_manifest
from x07py.arch.project import MANIFEST_PATH
from x07py.contracts.defaults import every_field
from x07py.contracts.loader import read_object
from x07py.contracts.starter import contracts_section, starter_contracts
from x07py.errors import ArchError, FileError
from x07py.files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.starter import Starter


def write_contracts(root: Path, starter: Starter) -> list[str]:
    """Write contracts into the project at `root`, name them in its manifest, and lock both; no contract is overwritten.

    A project without a manifest gets a first one, without nodes where there is no module yet.

    Returns:
        The paths that were written.

    Raises:
        FileError: ``X07IO_EXISTS`` if a contract file is there already, ``X07IO_WRITE``.
        ArchError: ``E_ARCH_INIT_EXISTS`` if the manifest names contracts already.
        ContractError: ``E_ARCH_MANIFEST_JSON_PARSE`` if the manifest there is not JSON.
    """
    files = starter_contracts(starter)
    taken = [path for path in files if (root / path).exists()]
    if taken:
        raise FileError(
            "X07IO_EXISTS", f"{taken[0]} is there already", where=str(root), hint="move the contracts away first"
        )
    if not (root / MANIFEST_PATH).exists() and not contracts_only(root):
        first_manifest(root)
    manifest = read_object(
        root / MANIFEST_PATH, root=root, code="E_ARCH_MANIFEST_JSON_PARSE", hint="x07 arch check shows the fault"
    )
    if "contracts_v1" in manifest:
        raise ArchError(
            "E_ARCH_INIT_EXISTS",
            "the manifest names contracts already",
            where=MANIFEST_PATH,
            hint="edit them, or move contracts_v1 out of it",
        )
    for path, document in files.items():
        replace_file(root / path, pretty(document), root=root)
    section = contracts_section(starter)
    if manifest.get("schema_version") != SCHEMA_VERSION:
        section = every_field(section)
    replace_file(root / MANIFEST_PATH, pretty(manifest | {"contracts_v1": section}), root=root)
    parsed = read_manifest(root, MANIFEST_PATH, [])
    if (
        parsed is not None and (root / LOCK_PATH).exists()
    ):  # the manifest is what this made of it, whatever a contract turns out to be
        replace_file(root / LOCK_PATH, manifest_lock_bytes(parsed), root=root)
    check(Request(root, MANIFEST_PATH, write_lock=True))
    return [*files, MANIFEST_PATH]
