"""Suggested repairs: what they are, that they mend, and that they widen nothing unless asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from tests.arch.trees import codes, contracts_project, edit, manifest, node, run, write
from tests.support.project import x07
from x07py.arch.documents import schema_faults
from x07py.arch.project import MANIFEST_PATH
from x07py.arch.repair import Patch, apply, merge
from x07py.errors import ArchError, FileError, X07Error

RR = "arch/rr/index.x07rr.json"
ALLOWLIST = {"enabled": True, "default_allow_external": True, "default_allow_internal": False}


def arch(root: Path, *args: str, code: int) -> subprocess.CompletedProcess[str]:
    done = x07("arch", "check", *args, cwd=root)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def orphaned(tmp_path: Path) -> Path:
    modules = {"app/__init__.py": "", "lost/it[1].py": "", "lost/plain.py": "import app\n", "lost/__init__.py": ""}
    return write(tmp_path, manifest(node("app")), modules)


def test_an_orphan_gets_a_node_in_the_strictest_world(orphaned: Path) -> None:
    assert "E_ARCH_NODE_ORPHAN_MODULE" in codes(run(orphaned))
    apply(orphaned, run(orphaned).patches)
    again = run(orphaned)
    assert "E_ARCH_NODE_ORPHAN_MODULE" not in codes(again)
    found = json.loads((orphaned / MANIFEST_PATH).read_text())["nodes"][1:]
    assert {row["world"] for row in found} == {"solve-pure"}
    assert {row["visibility"]["mode"] for row in found} == {"restricted"}


@pytest.fixture
def strict(tmp_path: Path) -> Path:
    document = manifest(node("a"), node("b"))
    document["checks"]["allowlist_mode"] = ALLOWLIST
    return write(tmp_path, document, {"a.py": "import b\nimport numpy\n", "b.py": ""})


def test_what_widens_is_applied_on_demand_alone(strict: Path) -> None:
    before = (strict / MANIFEST_PATH).read_bytes()
    shown = arch(strict, "--write", code=2)
    assert (strict / MANIFEST_PATH).read_bytes() == before
    assert "`x07 arch check --write --allow-widening` would" in " ".join(shown.stdout.split())
    done = arch(strict, "--write", "--allow-widening", code=0)
    assert f"mended {MANIFEST_PATH}" in done.stderr
    document = json.loads((strict / MANIFEST_PATH).read_text())
    assert document["externals"]["allowed_exact"] == ["numpy"]
    assert document["rules"] == [{"kind": "deps_v1", "id": "allow:a->b", "from": "a", "to": ["b"], "mode": "allow"}]


def test_the_patch_set_file(strict: Path) -> None:
    arch(strict, "--emit-patch", "repairs.json", code=2)
    first = (strict / "repairs.json").read_bytes()
    document = json.loads(first)
    assert schema_faults(document, "x07.arch.patchset") == []
    assert [row["path"] for row in document["patches"]] == [MANIFEST_PATH]
    arch(strict, "--emit-patch", "repairs.json", code=2)
    assert (strict / "repairs.json").read_bytes() == first
    report = json.loads(arch(strict, "--format", "json", code=2).stdout)
    assert schema_faults(report, "x07.arch.report") == []
    assert report["suggested_patches"] == document["patches"]
    assert "X07_USAGE" in arch(strict, "--allow-widening", code=3).stderr
    assert "X07IO_WRITE" in arch(strict, "--emit-patch", "no/where.json", code=3).stderr


def test_a_clean_project_has_no_repairs(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": ""})
    before = (tmp_path / MANIFEST_PATH).read_bytes()
    arch(tmp_path, "--write", "--emit-patch", "repairs.json", code=0)
    assert json.loads((tmp_path / "repairs.json").read_text())["patches"] == []
    assert (tmp_path / MANIFEST_PATH).read_bytes() == before


def test_what_policies_allow_is_sorted(tmp_path: Path) -> None:
    contracts_project(tmp_path)

    def turn(document: Any) -> None:
        for policy in document["policies"]:
            for name in ("worlds_allowed", "kinds_allowed", "ops_allowed"):
                policy[name] = sorted(policy[name], reverse=True)

    edit(tmp_path, RR, turn)
    assert "E_ARCH_RR_POLICY_OPS_NOT_SORTED" in codes(run(tmp_path))
    apply(tmp_path, run(tmp_path).patches)
    assert codes(run(tmp_path)) == []


def test_a_sanitizer_gets_what_is_required(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    name = json.loads((tmp_path / RR).read_text())["policies"][0]["sanitize_path"]

    def strip(document: Any) -> None:
        for key in ("v", "redact_headers", "redact_token"):
            del document[key]

    edit(tmp_path, name, strip)
    report = run(tmp_path)
    assert "E_ARCH_RR_SANITIZER_SCHEMA_INVALID" in codes(report)
    assert len([patch for patch in report.patches if patch.path == name]) == 1
    apply(tmp_path, report.patches)
    assert "E_ARCH_RR_SANITIZER_SCHEMA_INVALID" not in codes(run(tmp_path))
    assert json.loads((tmp_path / name).read_text())["redact_headers"] == []


def test_the_canonical_form_where_asked(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    edit(tmp_path, MANIFEST_PATH, lambda it: it["contracts_v1"]["canonical_json"].update(require=True))
    run(tmp_path, write_lock=True)
    report = run(tmp_path)
    assert set(codes(report)) == {"E_ARCH_CONTRACT_NOT_CANONICAL", "E_ARCH_LOCK_MISMATCH"}
    document = json.loads((tmp_path / RR).read_text())
    apply(tmp_path, report.patches)
    assert (tmp_path / RR).read_bytes() == rfc8785.dumps(document) + b"\n"
    run(tmp_path, write_lock=True)
    assert codes(run(tmp_path)) == []


def test_forbidden_imports_leave_an_x07ast_module(tmp_path: Path) -> None:
    module = {
        "schema_version": "x07.x07ast@0.5.0",
        "kind": "module",
        "module_id": "a",
        "imports": ["b", "c"],
        "decls": [],
    }
    imports = {"deny_prefixes": ["b"], "allow_prefixes": []}
    write(tmp_path, manifest(node("a", imports=imports), node("b"), node("c")), {"a.x07.json": json.dumps(module)})
    report = run(tmp_path)
    assert "E_ARCH_IMPORT_PREFIX_DENIED" in codes(report)
    apply(tmp_path, [patch for patch in report.patches if not patch.widens])
    assert json.loads((tmp_path / "a.x07.json").read_text())["imports"] == ["c"]


def test_a_file_that_changed_meanwhile_stops_all(strict: Path) -> None:
    patches = run(strict).patches
    other = strict / "arch" / "other.json"
    other.write_text("{}")
    late = Patch("arch/other.json", ({"op": "replace", "path": "/imports", "value": []},), "late")
    before = (strict / MANIFEST_PATH).read_bytes()
    with pytest.raises(ArchError, match="E_ARCH_PATCH_FAILED"):
        apply(strict, [*patches, late])
    other.write_text("{")
    with pytest.raises(ArchError, match="E_ARCH_PATCH_FAILED"):
        apply(strict, [*patches, late])
    other.unlink()
    with pytest.raises(FileError, match="X07IO_READ"):
        apply(strict, [*patches, late])
    assert (strict / MANIFEST_PATH).read_bytes() == before


def test_nothing_is_written_through_a_link(strict: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "manifest.json"
    outside.write_bytes((strict / MANIFEST_PATH).read_bytes())
    (strict / MANIFEST_PATH).unlink()
    (strict / MANIFEST_PATH).symlink_to(outside)
    before = outside.read_bytes()
    with pytest.raises(X07Error) as refused:
        apply(strict, [Patch(MANIFEST_PATH, ({"op": "add", "path": "/rules/-", "value": {}},), "x")])
    assert refused.value.code in {"X07IO_WRITE", "X07_CONTRACT_PATH"}
    assert outside.read_bytes() == before


def test_patches_of_one_file_are_merged() -> None:
    one, two = ({"op": "add", "path": "/x", "value": value} for value in (1, 2))
    merged = merge(
        [
            Patch("b", (one,), "n"),
            Patch("a", (one,), "n"),
            Patch("b", (one, two), "n"),
            Patch("b", (two,), "w", widens=True),
        ]
    )
    assert [(row.path, len(row.operations), row.note, row.widens) for row in merged] == [
        ("a", 1, "n", False),
        ("b", 2, "n", False),
        ("b", 1, "w", True),
    ]


KILLED = """
import os, signal, sys
from pathlib import Path
from x07py.arch.repair import Patch, apply
left = int(sys.argv[1])
def once(name, call):
    def wrapped(*args, **kw):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*args, **kw)
    return wrapped
os.fsync = once("fsync", os.fsync)
Path.replace = once("replace", Path.replace)
Path.unlink = once("unlink", Path.unlink)
change = lambda name: Patch(name, ({"op": "replace", "path": "/v", "value": 2},), "")
apply(Path("."), [change("arch/a.json"), change("arch/deep/b.json")])
"""


def test_killed_at_every_step_both_files_belong_together(tmp_path: Path) -> None:
    seen: set[int] = set()
    (tmp_path / "arch" / "deep").mkdir(parents=True)
    files = [tmp_path / "arch/a.json", tmp_path / "arch/deep/b.json"]
    killed = 0
    for step in range(40):
        for file in files:
            file.write_text('{"v": 1}')
        done = subprocess.run([sys.executable, "-c", KILLED, str(step)], cwd=tmp_path, env=os.environ, check=False)
        write(tmp_path, manifest(node("a")), {"a.py": ""})
        assert codes(run(tmp_path)) == []  # reading the project finishes what was begun
        values = {json.loads(file.read_text())["v"] for file in files}
        assert len(values) == 1
        seen |= values
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        killed += 1
    assert killed >= 8
    assert seen == {1, 2}
