"""Small projects for tests of the architecture check."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.project import EXAMPLE
from x07py.arch.check import Report, Request, check
from x07py.arch.lock import LOCK_PATH
from x07py.arch.project import MANIFEST_PATH

CONTRACTS: dict[str, Any] = {
    "canonical_json": {"mode": "jcs_rfc8785_v1"},
    "rr": {"index_path": "arch/rr/index.x07rr.json", "gen_dir": "arch", "require_policy_for_os_calls": False},
    "budgets": {"index_path": "arch/budgets/index.x07budgets.json", "gen_dir": "arch", "require_scopes": False},
    "msg": {"index_path": "arch/msg/index.x07msg.json", "enforce": "error"},
    "msg_kafka": {"index_path": "arch/msg/kafka/index.x07kafka.json", "enforce": "error"},
    "msg_amqp": {"index_path": "arch/msg/amqp/index.x07amqp.json", "enforce": "error"},
}


def node(name: str, world: str = "run-os", **changes: Any) -> dict[str, Any]:
    """A public node that holds the modules below its own name."""
    return {
        "id": name,
        "match": {"module_prefixes": [name], "path_globs": []},
        "world": world,
        "trust_zone": "untrusted",
        "visibility": {"mode": "public", "visible_to": []},
        "imports": {"deny_prefixes": [], "allow_prefixes": []},
        **changes,
    }


def manifest(*nodes: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A manifest with all required checks on, and optional ones as they are when absent."""
    return {
        "schema_version": "x07py.arch.manifest@0.1.0",
        "repo": {"id": "t", "root": "."},
        "externals": {"allowed_import_prefixes": [], "allowed_exact": []},
        "nodes": list(nodes),
        "rules": [],
        "checks": {"deny_cycles": True, "deny_orphans": True, "enforce_visibility": True, "enforce_world_caps": True},
        "tool_budgets": {"max_modules": 5000, "max_edges": 50000, "max_diags": 2000},
        **changes,
    }


def write(root: Path, document: Any, modules: dict[str, str] | None = None) -> Path:
    """Write a manifest and modules by path."""
    path = root / MANIFEST_PATH
    path.parent.mkdir(exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    for name, text in (modules or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def run(root: Path, **options: Any) -> Report:
    return check(Request(root, MANIFEST_PATH, **options))


def codes(report: Report) -> list[str]:
    return sorted({row.code for row in report.findings})


def contracts_project(root: Path, **changes: Any) -> Path:
    """The example's contracts with a manifest that has no nodes, and fresh locks, the manifest's one by itself."""
    shutil.copytree(EXAMPLE / "arch", root / "arch")
    write(root, manifest(contracts_v1={**CONTRACTS, **changes}))
    report = run(root, write_lock=True, lock=LOCK_PATH)
    assert codes(report) == []
    return root


def edit(root: Path, name: str, change: Any) -> None:
    """Load a JSON file, let `change` alter it in place, and write it back."""
    path = root / name
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
