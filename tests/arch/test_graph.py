"""Each graph rule: one tree that breaks it, one near-miss that does not; exit codes; locks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, manifest, node, run, write

RESTRICTED = {"mode": "restricted", "visible_to": []}
AB = {"a.py": "import b\n", "b.py": "x = 1\n"}
DENY = {"kind": "deps_v1", "id": "r", "from": "a", "to": ["b"], "mode": "deny"}
LAYERS = {"kind": "layers_v1", "id": "r", "layers": ["a", "b"], "direction": "down"}
CHECKS = manifest()["checks"]
ALLOWLIST = {"enabled": True, "default_allow_external": True, "default_allow_internal": False}
CYCLE = {"a.py": "import b\n", "b.py": "def f():\n    import a\n"}


def externals(*prefixes: str) -> dict[str, list[str]]:
    return {"allowed_import_prefixes": list(prefixes), "allowed_exact": []}


def two(**changes: Any) -> dict[str, Any]:
    return manifest(node("a"), node("b"), **changes)


CASES: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, Any], dict[str, str]]] = {
    "E_ARCH_NODE_ORPHAN_MODULE": (manifest(node("a")), AB, two(), AB),
    "E_ARCH_NODE_OVERLAP_MODULE": (
        manifest(node("a"), node("a2", match={"module_prefixes": ["a"], "path_globs": []})),
        {"a.py": ""},
        manifest(node("a"), node("ab")),
        {"a.py": "", "ab.py": ""},
    ),
    "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED": (
        manifest(node("a")),
        {"a.py": "import other\n"},
        manifest(node("a"), externals=externals("ext")),
        {"a.py": "import ext.x, json\n"},
    ),
    "E_ARCH_IMPORT_PREFIX_DENIED": (
        manifest(node("a", imports={"deny_prefixes": ["json"], "allow_prefixes": []})),
        {"a.py": "import json.decoder\n"},
        manifest(node("a", imports={"deny_prefixes": ["js"], "allow_prefixes": []})),
        {"a.py": "import json\n"},
    ),
    "E_ARCH_IMPORT_PREFIX_NOT_ALLOWED": (
        manifest(node("a", imports={"deny_prefixes": [], "allow_prefixes": ["b"]}), node("b")),
        {"a.py": "import a.c, b\n", "b.py": "", "a/c.py": ""},
        manifest(node("a", imports={"deny_prefixes": [], "allow_prefixes": ["b"]}), node("b")),
        {"a.py": "from __future__ import annotations\nimport json, b\n", "b.py": ""},
    ),
    "E_ARCH_VISIBILITY": (
        manifest(node("a"), node("b", visibility=RESTRICTED)),
        AB,
        manifest(node("a"), node("b", visibility={"mode": "restricted", "visible_to": ["a"]})),
        AB,
    ),
    "E_ARCH_DEPS_DENY": (two(rules=[DENY]), AB, two(rules=[{**DENY, "from": "b", "to": ["a"]}]), AB),
    "E_ARCH_LAYERS_VIOLATION": (two(rules=[LAYERS]), AB, two(rules=[{**LAYERS, "layers": ["b", "a"]}]), AB),
    "E_ARCH_CYCLE": (
        two(rules=[{"kind": "deny_cycles_v1", "id": "r", "scope": "nodes"}]),
        CYCLE,
        two(rules=[{"kind": "deny_cycles_v1", "id": "r", "scope": "nodes"}]),
        {**CYCLE, "b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\n"},
    ),
    "E_ARCH_EDGE_NOT_ALLOWED": (
        two(checks={**CHECKS, "allowlist_mode": ALLOWLIST}),
        AB,
        two(checks={**CHECKS, "allowlist_mode": ALLOWLIST}, rules=[{**DENY, "mode": "allow"}]),
        AB,
    ),
    "E_ARCH_WORLD_EDGE_FORBIDDEN": (
        manifest(node("a", "solve-pure"), node("b")),
        AB,
        manifest(node("a"), node("b", "solve-pure")),
        AB,
    ),
    "E_ARCH_TRUST_ZONE_EDGE": (
        manifest(node("a", trust_zone="verified_core"), node("b")),
        AB,
        manifest(node("a", trust_zone="verified_core"), node("b", trust_zone="certified_capsule")),
        AB,
    ),
    "E_ARCH_SMOKE_MISSING": (
        manifest(node("a", contracts={"smoke_entry": "a.smoke"})),
        {"a.py": ""},
        manifest(node("a", contracts={"smoke_entry": "a.smoke"})),
        {"a.py": "def smoke(): ...\n"},
    ),
    "E_ARCH_PUBLIC_BYTES_UNBRANDED": (
        manifest(node("a")),
        {"a.py": "def f(x: bytes | None): ...\n"},
        manifest(node("a")),
        {"a.py": "from typing import Annotated\ndef f(x: Annotated[bytes, 'b']): ...\ndef _g(x: bytes): ...\n"},
    ),
    "E_ARCH_MODULE_PARSE": (manifest(node("a", "solve-pure")), {"a.py": "def"}, manifest(node("a")), {"a.py": "x = 1"}),
    "E_ARCH_DUPLICATE_MODULE_ID": (
        manifest(node("a")),
        {"a.py": "", "a/__init__.py": ""},
        manifest(node("a")),
        {"a/__init__.py": ""},
    ),
    "E_ARCH_PACKAGE_NOT_LOCKED": (
        manifest(node("a"), externals=externals("x07py")),
        {"a.py": "import x07py.drivers.kafka\n"},
        manifest(node("a"), externals=externals("x07py")),
        {"a.py": "import x07py.worlds\n"},
    ),
    "E_ARCH_SECRET_IN_MODULE": (
        manifest(node("a")),
        {"a.py": "x = 1\nURL = 'amqp://shop:hunter22@rabbit.shop.internal/'\n"},
        manifest(node("a")),
        {"a.py": "URL = f'amqp://{user}:{password}@rabbit.shop.internal/', 'amqp://shop:hunter22@127.0.0.1:5672'\n"},
    ),
    "E_ARCH_NAME_MATCHES_NOTHING": (
        manifest(node("a"), node("b", match={"module_prefixes": ["a.c"], "path_globs": []})),
        {"a.py": ""},
        manifest(node("a"), node("b", match={"module_prefixes": ["b."], "path_globs": ["c/*.py"]})),
        {"a.py": "", "b/x.py": "", "c/y.py": ""},
    ),
}


@pytest.mark.parametrize("code", CASES)
def test_rule_and_near_miss(code: str, tmp_path: Path) -> None:
    broken, modules, near, near_modules = CASES[code]
    (tmp_path / "x").mkdir()
    report = run(write(tmp_path / "x", broken, modules))
    assert codes(report) == [code]
    assert report.exit_code == 2
    (tmp_path / "y").mkdir()
    assert codes(run(write(tmp_path / "y", near, near_modules))) == []


@pytest.mark.parametrize(
    ("imports", "code", "hint"),
    [
        ({"deny_prefixes": ["sockett"]}, "W_ARCH_DENIED_UNKNOWN", "if 'socket' is meant, correct it"),
        ({"deny_prefixes": ["a.cc"]}, "E_ARCH_NAME_MATCHES_NOTHING", "take it out, or correct it"),
        ({"deny_prefixes": ["socket", "pika", "someones.library"]}, None, ""),
        ({"allow_prefixes": ["json", "re"]}, "E_ARCH_ALLOWED_UNUSED", "take it out"),
        ({"allow_prefixes": ["json", "jsonn"]}, "E_ARCH_ALLOWED_UNUSED", "did you mean 'json'?"),
        ({"allow_prefixes": ["json", "a.b"]}, "E_ARCH_NAME_MATCHES_NOTHING", "take it out, or correct it"),
        ({"allow_prefixes": ["json"]}, None, ""),
    ],
)
def test_names_of_imports_that_match_nothing(
    imports: dict[str, list[str]], code: str | None, hint: str, tmp_path: Path
) -> None:
    document = manifest(node("a", imports={"deny_prefixes": [], "allow_prefixes": [], **imports}))
    report = run(write(tmp_path, document, {"a.py": "import json\n"}))
    assert [(row.code, row.hint) for row in report.findings] == ([(code, hint)] if code else [])


def test_a_glob_that_matches_nothing_and_a_project_without_modules(tmp_path: Path) -> None:
    document = manifest(node("a", match={"module_prefixes": ["a"], "path_globs": ["lib/**/*.py"]}))
    report = run(write(tmp_path, document))
    assert (codes(report), report.exit_code) == (["E_ARCH_NO_MODULES"], 3)
    assert codes(run(write(tmp_path, document, {"a.py": ""}))) == ["E_ARCH_NAME_MATCHES_NOTHING"]
    assert codes(run(write(tmp_path, document, {"lib/x/y.py": ""}))) == []


def test_an_external_that_nothing_imports_is_an_error(tmp_path: Path) -> None:
    report = run(write(tmp_path, manifest(node("a"), externals=externals("rich")), {"a.py": ""}))
    assert codes(report) == ["E_ARCH_ALLOWED_UNUSED"]
    assert report.exit_code == 2


def test_module_cycles_are_found_though_upstream_ignores_them(tmp_path: Path) -> None:
    rule = {"kind": "deny_cycles_v1", "id": "r", "scope": "modules"}
    document = manifest(node("p"), rules=[rule])
    modules = {"p/__init__.py": "", "p/a.py": "from . import b\n", "p/b.py": "from .a import x\n"}
    report = run(write(tmp_path, document, modules))
    assert codes(report) == ["E_ARCH_CYCLE"]
    assert report.findings[0].data["cycle_nodes"] == ["p.a", "p.b"]


def test_an_import_inside_a_restricted_node_is_no_edge(tmp_path: Path) -> None:
    document = manifest(node("p", visibility=RESTRICTED))
    assert codes(run(write(tmp_path, document, {"p/a.py": "import p.b\n", "p/b.py": ""}))) == []


def test_the_finding_names_line_and_column(tmp_path: Path) -> None:
    report = run(write(tmp_path, two(rules=[DENY]), {"a.py": "\nif True:\n    import b\n", "b.py": ""}))
    assert report.findings[0].location() == "a.py:3:5"
    assert report.findings[0].source == "    import b"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{", "E_ARCH_MANIFEST_JSON_PARSE"),
        ('{"a": 1, "a": 2}', "E_ARCH_MANIFEST_JSON_PARSE"),
        ({**manifest(), "schema_version": "x07.arch.manifest@0.2.0"}, "E_ARCH_MANIFEST_SCHEMA_INVALID"),
        ({**manifest(), "extra": 1}, "E_ARCH_MANIFEST_SCHEMA_INVALID"),
        (manifest(node("a"), node("a")), "E_ARCH_MANIFEST_INVALID"),
        (two(rules=[{**DENY, "to": ["bb"]}]), "E_ARCH_MANIFEST_INVALID"),
        (manifest(node("a", match={"module_prefixes": [], "path_globs": ["a["]})), "E_ARCH_MANIFEST_INVALID"),
    ],
)
def test_a_manifest_that_cannot_be_used(document: Any, code: str, tmp_path: Path) -> None:
    report = run(write(tmp_path, document))
    assert (codes(report), report.exit_code) == ([code], 3)


@pytest.mark.parametrize(
    ("changes", "place", "message", "hint"),
    [
        ({"rules": [{**DENY, "form": "a"}]}, "/rules/0", "Additional properties", "did you mean 'from'?"),
        ({"rules": [{**DENY, "mode": "denied"}]}, "/rules/0/mode", "is not one of", "did you mean 'deny'?"),
        (
            {"rules": [{**LAYERS, "kind": "layer_v1"}]},
            "/rules/0/kind",
            "'layer_v1' is not one",
            "did you mean 'layers_v1'?",
        ),
        ({"rules": [{"id": "r"}]}, "/rules/0", "not valid under any", "docs/reference/arch.md lists the fields"),
        ({"nodes": [node("a", world="solve-pur")]}, "/nodes/0/world", "is not one of", "did you mean 'solve-pure'?"),
        ({"nodes": [], "node": []}, "", "Additional properties", "did you mean 'nodes'?"),
    ],
)
def test_a_manifest_that_is_nearly_right(
    changes: dict[str, Any], place: str, message: str, hint: str, tmp_path: Path
) -> None:
    (row,) = run(write(tmp_path, {**manifest(), **changes})).findings
    assert (row.code, row.data["instance_path"], row.hint) == ("E_ARCH_MANIFEST_SCHEMA_INVALID", place, hint)
    assert message in row.message


def test_no_manifest(tmp_path: Path) -> None:
    report = run(tmp_path)
    assert (codes(report), report.exit_code) == (["E_ARCH_MANIFEST_READ"], 3)


def test_limits(tmp_path: Path) -> None:
    write(tmp_path, two(rules=[DENY]), {**AB, "a/x.py": ""})
    for options in ({"budgets": {"max_modules": 2}}, {"budgets": {"max_edges": 0}}, {"max_bytes": 3}):
        report = run(tmp_path, **options)
        assert (codes(report), report.exit_code) == (["E_ARCH_TOOL_BUDGET_EXCEEDED"], 4)
    report = run(tmp_path, budgets={"max_diags": 0})
    assert (codes(report), report.exit_code) == (["E_ARCH_TOOL_BUDGET_EXCEEDED"], 4)
    assert run(tmp_path, budgets={"max_modules": 3, "max_edges": 1, "max_diags": 2}).exit_code == 2


def test_manifest_lock(tmp_path: Path) -> None:
    write(tmp_path, two(), AB)
    assert run(tmp_path, lock="arch/other.json").exit_code == 3
    assert run(tmp_path, write_lock=True).exit_code == 0
    assert run(tmp_path).exit_code == 0
    write(tmp_path, two(rules=[LAYERS | {"layers": ["b", "a"]}]))
    assert codes(run(tmp_path)) == ["E_ARCH_LOCK_MISMATCH"]
    assert run(tmp_path, write_lock=True).exit_code == 0
    assert codes(run(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "E_ARCH_LOCK_JSON_PARSE"),
        ("{}", "E_ARCH_LOCK_SCHEMA_INVALID"),
    ],
)
def test_a_lock_that_cannot_be_used(text: str, code: str, tmp_path: Path) -> None:
    write(tmp_path, two(), {**AB, "arch/manifest.lock.json": text})
    report = run(tmp_path)
    assert (codes(report), report.exit_code) == ([code], 3)


def test_a_lock_decides_nothing_of_the_scan_and_a_folder_is_none(tmp_path: Path) -> None:
    write(tmp_path, two(), AB)
    run(tmp_path, write_lock=True)
    path = tmp_path / "arch/manifest.lock.json"
    document = json.loads(path.read_text())
    document["module_scan"] = {"exclude_globs": ["**", "x["], "include_globs": ["**/*.x07.json"]}
    path.write_text(json.dumps(document))
    report = run(tmp_path)
    assert (codes(report), report.modules) == ([], 2)
    run(tmp_path, write_lock=True)
    assert json.loads(path.read_text())["module_scan"] == document["module_scan"]
    path.unlink()
    path.mkdir()
    assert codes(run(tmp_path)) == ["E_ARCH_LOCK_READ"]


def test_x07ast_modules(tmp_path: Path) -> None:
    def module(name: str, *imports: str) -> str:
        return json.dumps({"kind": "module", "module_id": name, "imports": imports, "decls": []})

    modules = {"a.x07.json": module("a", "b", "ext.y"), "b.x07.json": module("b")}
    assert codes(run(write(tmp_path, two(externals=externals("ext")), modules))) == []
    assert codes(run(write(tmp_path, two(externals=externals("ext"), rules=[DENY])))) == ["E_ARCH_DEPS_DENY"]
    write(tmp_path, two(), {"b.x07.json": "[]"})
    assert "E_ARCH_MODULE_PARSE" in codes(run(tmp_path))
