"""Manifests that start a project: public, untrusted nodes, every check but that of bare bytes, wide limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.documents import pretty
from x07py.arch.manifest import SCHEMA_VERSION
from x07py.arch.project import MANIFEST_PATH
from x07py.contracts.defaults import shortest
from x07py.contracts.schemas import editor_schema

if TYPE_CHECKING:
    from collections.abc import Sequence


def fresh_node(
    name: str, world: str, prefixes: Sequence[str], globs: Sequence[str] = (), *, public: bool = True
) -> dict[str, Any]:
    """Return a node that may import anything and that everybody may see, or nobody where it is not public."""
    return {
        "id": name,
        "match": {"module_prefixes": list(prefixes), "path_globs": list(globs)},
        "world": world,
        "trust_zone": "untrusted",
        "visibility": {"mode": "public" if public else "restricted", "visible_to": []},
        "imports": {"deny_prefixes": [], "allow_prefixes": []},
    }


def fresh_manifest(
    repo: str, nodes: Sequence[dict[str, Any]], rules: Sequence[dict[str, Any]] = (), externals: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a manifest.

    Args:
        repo: the project's id.
        nodes: as `fresh_node` returns them.
        rules: rules, in order.
        externals: prefixes of what may be imported from outside.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "repo": {"id": repo, "root": "."},
        "externals": {"allowed_import_prefixes": list(externals), "allowed_exact": []},
        "nodes": list(nodes),
        "rules": list(rules),
        "checks": {
            "deny_cycles": True,
            "deny_orphans": True,
            "enforce_visibility": True,
            "enforce_world_caps": True,
            "brand_boundary_v1": {"enabled": False},
        },
        "tool_budgets": {"max_modules": 50000, "max_edges": 500000, "max_diags": 2000},
    }


def manifest_bytes(document: dict[str, Any]) -> bytes:
    """Return a new manifest as a file: what is meant anyway is not written."""
    return pretty(editor_schema("x07py.arch.manifest", MANIFEST_PATH) | shortest(document))


def cycle_rule(scope: str) -> dict[str, Any]:
    """Return the rule against circles of ``nodes`` or of ``modules``."""
    return {"kind": "deny_cycles_v1", "id": "no-circles", "scope": scope}
