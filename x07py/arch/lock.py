"""The two locks of the check: of the manifest, and of the contract files. A lock pins; it decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import jcs_sha256, pretty, schema_findings
from x07py.arch.model import finding
from x07py.contracts.loader import parse_json, resolve_inside
from x07py.errors import ContractError
from x07py.files import CONTRACT_BYTES, read_file

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.arch.manifest import Manifest
    from x07py.diag import Diagnostic

LOCK_PATH = "arch/manifest.lock.json"
CONTRACTS_LOCK_PATH = "arch/contracts.lock.json"
_LOCK_HINT = "look at what changed, then `x07 arch check --write-lock`"


@dataclass(frozen=True, slots=True)
class ManifestLock:
    """A manifest lock as read: the path and digest that it pins, and the reference's globs, which are only kept."""

    path: str
    manifest_path: str
    digest: str
    module_scan: dict[str, list[str]]


def read_manifest_lock(root: Path, path: str, findings: list[Diagnostic]) -> ManifestLock | None:
    """Return the lock, or None after adding findings (none if the file does not exist)."""
    try:
        document = parse_json(read_file(root / path, limit=CONTRACT_BYTES, root=root))
    except FileNotFoundError:
        return None
    except OSError as error:
        what = error.strerror or "unreadable"
        findings.append(finding("E_ARCH_LOCK_READ", f"cannot read the lock: {what}", path=path, hint=_LOCK_HINT))
        return None
    except (ValueError, RecursionError) as error:
        findings.append(finding("E_ARCH_LOCK_JSON_PARSE", f"not valid JSON: {error}", path=path, hint=_LOCK_HINT))
        return None
    faults = schema_findings(document, "x07.arch.manifest.lock", "E_ARCH_LOCK_SCHEMA_INVALID", path, _LOCK_HINT)
    findings += faults
    if faults:
        return None
    return ManifestLock(path, document["manifest_path"], document["jcs_sha256_hex"], document["module_scan"])


def check_manifest_lock(manifest: Manifest, lock: ManifestLock, findings: list[Diagnostic]) -> None:
    """Add a finding if the lock pins another manifest."""
    if lock.manifest_path != manifest.path:
        message = f"{lock.path} locks {lock.manifest_path}, not {manifest.path}"
        findings.append(finding("E_ARCH_LOCK_MISMATCH", message, path=lock.path, hint=_LOCK_HINT))
    elif lock.digest != manifest.digest:
        findings.append(
            finding(
                "E_ARCH_LOCK_MISMATCH",
                f"{manifest.path} changed since {lock.path} was written",
                path=manifest.path,
                hint=_LOCK_HINT,
                data={"expected_jcs_sha256_hex": manifest.digest, "lock_jcs_sha256_hex": lock.digest},
            )
        )


def manifest_lock_bytes(manifest: Manifest, before: ManifestLock | None = None) -> bytes:
    """Return the content of the manifest lock; the globs by which the reference scans stay as they were."""
    return pretty(
        {
            "schema_version": "x07.arch.manifest.lock@0.1.0",
            "manifest_path": manifest.path,
            "jcs_sha256_hex": manifest.digest,
            "module_scan": before.module_scan if before else {"include_globs": ["**/*.x07.json"], "exclude_globs": []},
        }
    )


def contracts_lock(indexes: dict[str, str], files: dict[str, str]) -> dict[str, Any]:
    """Return the contracts lock of contract files by path, given the digests of indexes and of other files."""
    return {
        "schema_version": "x07.arch.contracts.lock@0.1.0",
        "indexes": {path: {"jcs_sha256_hex": digest} for path, digest in indexes.items()},
        "files": {path: {"jcs_sha256_hex": digest} for path, digest in files.items()},
    }


def with_foreign(root: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Return a contracts lock with what the one there pins of domains that are not checked here, as it is today."""
    before = _read_contracts_lock(root, expected, [])
    if before is None:
        return expected
    known = expected["indexes"].keys() | expected["files"].keys()
    kept = {
        part: {name: {"jcs_sha256_hex": digest} for name in before[part] if (digest := _digest_today(root, name))}
        for part in ("indexes", "files")
    }
    return expected | {
        part: expected[part] | {name: row for name, row in rows.items() if name not in known}
        for part, rows in kept.items()
    }


def _digest_today(root: Path, name: str) -> str | None:
    try:
        return jcs_sha256(parse_json(read_file(resolve_inside(root, name), limit=CONTRACT_BYTES)))
    except (OSError, ValueError, RecursionError, ContractError):
        return None


def check_contracts_lock(
    root: Path, expected: dict[str, Any], findings: list[Diagnostic], *, foreign: bool, manifest: str
) -> None:
    """Compare ``arch/contracts.lock.json`` with what it should hold; a mismatch names each file that differs.

    Args:
        root: the project.
        expected: what the lock should hold of the domains that are checked here.
        findings: what is found is added.
        foreign: whether the manifest has other domains, whose locked files need only be as they were.
        manifest: path of the manifest, which is compared if the lock pins it.
    """
    path = CONTRACTS_LOCK_PATH
    document = _read_contracts_lock(root, expected, findings)
    if document is None:
        return
    if foreign:
        expected = with_foreign(root, expected)
    pinned = {name: row for name, row in expected["files"].items() if name != manifest or name in document["files"]}
    expected = expected | {"files": pinned}
    changed = [
        _difference(root, name, document[part].get(name), expected[part].get(name))
        for part in ("indexes", "files")
        for name in sorted(document[part].keys() | expected[part].keys())
        if document[part].get(name) != expected[part].get(name)
    ]
    if changed:
        findings.append(
            finding(
                "E_ARCH_CONTRACTS_LOCK_MISMATCH",
                f"{len(changed)} contract file(s) differ from {path}",
                path=path,
                hint=_LOCK_HINT,
                notes=tuple(changed),
                data={"changed": changed},
            )
        )


def _read_contracts_lock(root: Path, expected: dict[str, Any], findings: list[Diagnostic]) -> dict[str, Any] | None:
    path = CONTRACTS_LOCK_PATH
    try:
        document: Any = parse_json(read_file(root / path, limit=CONTRACT_BYTES, root=root))
    except FileNotFoundError:
        hint = "x07 arch check --write-lock"
        message = "the contract files are not locked"
        findings.append(finding("W_ARCH_CONTRACTS_LOCK_MISSING", message, path=path, hint=hint, data={"path": path}))
        return None
    except (ValueError, RecursionError, OSError) as error:
        what = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else f"not valid JSON: {error}"
        findings.append(finding("E_ARCH_CONTRACTS_LOCK_JSON_PARSE", what, path=path, hint=_LOCK_HINT))
        return None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(document, dict) and version != expected["schema_version"]:
        message = f"schema_version is {version!r}, not {expected['schema_version']!r}"
        findings.append(finding("E_ARCH_CONTRACTS_LOCK_SCHEMA_VERSION", message, path=path, hint=_LOCK_HINT))
        return None
    code = "E_ARCH_CONTRACTS_LOCK_SCHEMA_INVALID"
    faults = schema_findings(document, "x07.arch.contracts.lock", code, path, _LOCK_HINT)
    findings += faults
    return None if faults else document


def _difference(root: Path, name: str, locked: object, found: object) -> str:
    if locked is None:
        return f"{name} is not locked"
    if found is not None:
        return f"{name} changed"
    return (
        f"{name} is locked, and no contract names it" if (root / name).exists() else f"{name} is locked and not there"
    )
