"""Architecture manifests of new projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.contracts.starter import contracts_section

if TYPE_CHECKING:
    from x07py.contracts.loader import JsonObject
    from x07py.contracts.starter import Starter


def worker_manifest(package: str, starter: Starter) -> JsonObject:
    """Return the manifest of a service: a pure core below an adapter, with contracts."""
    nodes = [
        _node("core", "solve-pure", [f"{package}.core"]),
        _node("adapter", "run-os-sandboxed", [f"{package}.worker", f"{package}.__main__"]),
        _node("face", "solve-pure", [], [f"src/{package}/__init__.py"]),
        _node("tests", "run-os", ["tests"]),
    ]
    layers = {"kind": "layers_v1", "id": "core-below-adapter", "direction": "down"}
    rule = layers | {"layers": ["core", "adapter", "tests"]}
    return _manifest(package, ["pytest", "x07py"], nodes, [rule]) | {"contracts_v1": contracts_section(starter)}


def pure_manifest(package: str) -> JsonObject:
    """Return the manifest of a library in which nothing may reach the operating system."""
    nodes = [_node("core", "solve-pure", [package]), _node("tests", "run-os", ["tests"])]
    return _manifest(package, ["pytest"], nodes, [])


def _node(name: str, world: str, prefixes: list[str], globs: list[str] | None = None) -> JsonObject:
    return {
        "id": name,
        "match": {"module_prefixes": prefixes, "path_globs": globs or []},
        "world": world,
        "trust_zone": "untrusted",
        "visibility": {"mode": "public", "visible_to": []},
        "imports": {"deny_prefixes": [], "allow_prefixes": []},
    }


def _manifest(package: str, externals: list[str], nodes: list[JsonObject], rules: list[dict[str, Any]]) -> JsonObject:
    return {
        "schema_version": "x07.arch.manifest@0.3.0",
        "repo": {"id": package, "root": "."},
        "externals": {"allowed_import_prefixes": externals, "allowed_exact": []},
        "nodes": nodes,
        "rules": [*rules, {"kind": "deny_cycles_v1", "id": "no-circles", "scope": "modules"}],
        "checks": {
            "deny_cycles": True,
            "deny_orphans": True,
            "enforce_visibility": True,
            "enforce_world_caps": True,
            "brand_boundary_v1": {"enabled": False},
        },
        "tool_budgets": {"max_modules": 50000, "max_edges": 500000, "max_diags": 2000},
    }
