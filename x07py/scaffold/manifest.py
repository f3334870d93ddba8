"""Architecture manifests of new projects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.arch.first_manifest import cycle_rule, fresh_manifest, fresh_node
from x07py.contracts.starter import contracts_section

if TYPE_CHECKING:
    from x07py.contracts.loader import JsonObject
    from x07py.contracts.starter import Starter


def worker_manifest(package: str, starter: Starter) -> JsonObject:
    """Return the manifest of a service: a pure core below an adapter, with contracts."""
    nodes = [
        fresh_node("core", "solve-pure", [f"{package}.core"]),
        fresh_node("adapter", "run-os-sandboxed", [f"{package}.worker"]),
        fresh_node("tests", "run-os", ["tests"]),
    ]
    layers = {"kind": "layers_v1", "id": "core-below-adapter", "direction": "down"}
    rules = [layers | {"layers": ["core", "adapter", "tests"]}, cycle_rule("modules")]
    manifest = fresh_manifest(package, nodes, rules, ["pytest", "x07py"])
    return manifest | {"contracts_v1": contracts_section(starter)}


def driver_manifest(package: str) -> JsonObject:
    """Return the manifest of a driver: the connection above what a replay needs."""
    nodes = [
        fresh_node("names", "run-os", [f"{package}.contracts"]),
        fresh_node("connection", "run-os", [f"{package}.backend", f"{package}.plugin"]),
        fresh_node("face", "solve-pure", [], [f"src/{package}/__init__.py"]),
        fresh_node("tests", "run-os", ["tests"]),
    ]
    layers = {"kind": "layers_v1", "id": "names-below-connection", "direction": "down"}
    rules = [layers | {"layers": ["names", "connection", "tests"]}, cycle_rule("modules")]
    return fresh_manifest(package, nodes, rules, ["pytest", "x07py"])


def pure_manifest(package: str) -> JsonObject:
    """Return the manifest of a library in which nothing may reach the operating system."""
    nodes = [fresh_node("core", "solve-pure", [package]), fresh_node("tests", "run-os", ["tests"])]
    return fresh_manifest(package, nodes, [cycle_rule("modules")], ["pytest"])
