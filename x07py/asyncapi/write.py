"""Writing contracts that were taken from a document into a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.check import Request, check
from x07py.arch.documents import pretty
from x07py.arch.init import first_manifest
from x07py.arch.manifest import MANIFEST_PATH
from x07py.contracts.loader import read_object
from x07py.contracts.starter import contracts_section, starter_contracts
from x07py.errors import ArchError, FileError
from x07py.rr.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.starter import Starter


def write_contracts(root: Path, starter: Starter) -> list[str]:
    """Write contracts into the project at `root`, name them in its manifest, and lock both; no contract is overwritten.

    A project without a manifest gets a first one; it has to have a module for that.

    Returns:
        The paths that were written.

    Raises:
        FileError: ``X07IO_EXISTS`` if a contract file is there already, ``X07IO_WRITE``.
        ArchError: ``E_ARCH_INIT_EMPTY``; ``E_ARCH_INIT_EXISTS`` if the manifest names contracts already.
        ContractError: ``E_ARCH_MANIFEST_JSON_PARSE`` if the manifest there is not JSON.
    """
    files = starter_contracts(starter)
    taken = [path for path in files if (root / path).exists()]
    if taken:
        raise FileError(
            "X07IO_EXISTS", f"{taken[0]} is there already", where=str(root), hint="move the contracts away first"
        )
    if not (root / MANIFEST_PATH).exists():
        first_manifest(root)
    manifest = read_object(
        root / MANIFEST_PATH, code="E_ARCH_MANIFEST_JSON_PARSE", hint="x07 arch check shows the fault"
    )
    if "contracts_v1" in manifest:
        raise ArchError(
            "E_ARCH_INIT_EXISTS",
            "the manifest names contracts already",
            where=MANIFEST_PATH,
            hint="edit them, or move contracts_v1 out of it",
        )
    for path, document in files.items():
        try:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(
                "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(root / path), hint="check the folder"
            ) from None
        write_atomically(root / path, pretty(document))
    write_atomically(root / MANIFEST_PATH, pretty(manifest | {"contracts_v1": contracts_section(starter)}))
    check(Request(root, MANIFEST_PATH, write_lock=True))
    return [*files, MANIFEST_PATH]
