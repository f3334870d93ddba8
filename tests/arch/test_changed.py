"""``--changed`` in a real git repository: what is kept of a report, what is left out, and what git cannot answer."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.arch.trees import contracts_project, edit, manifest, node, write
from tests.support.project import x07
from x07py.arch.baseline import hold
from x07py.arch.changed import narrow
from x07py.arch.check import Report, Request, check
from x07py.arch.git import changed_since
from x07py.arch.project import MANIFEST_PATH
from x07py.contracts.schemas import load_schema
from x07py.errors import ArchError

WHO = {f"GIT_{role}_{what}": "nobody@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
NODES = [node("pure", "solve-pure"), node("app"), node("web"), node("old")]
RULES = [{"kind": "deps_v1", "id": "no-web", "from": "app", "to": ["web"], "mode": "deny"}]
TREE = {
    "pure/__init__.py": "",
    "pure/tax.py": "from app import rates\n",
    "app/__init__.py": "",
    "app/rates.py": "from app import table\n",
    "app/table.py": "",
    "app/early.py": "import web.site\n",
    "app/late.py": "",
    "web/site.py": "",
    "web/other.py": "",
    "old.py": "import numpy\n",
}
NUMPY = "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED old.py"


def git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=root, check=True, capture_output=True, text=True, env=os.environ | WHO)
    return done.stdout.strip()


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "all")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A committed project in a folder of a repository, with two findings that are there from the start."""
    root = tmp_path / "part"
    root.mkdir()
    git(tmp_path, "init", "-qb", "main")
    checks = {**manifest()["checks"], "world_of_imported_v1": {"enabled": False}}
    write(
        root,
        manifest(*NODES, rules=RULES, checks=checks, externals={"allowed_import_prefixes": [], "allowed_exact": []}),
        TREE,
    )
    commit(tmp_path)
    return root


def narrowed(root: Path, since: str = "HEAD", baseline: Path | None = None) -> Report:
    request = Request(root, MANIFEST_PATH)
    report = check(request)
    if baseline:
        report = hold(report, baseline, update=not baseline.exists())
    return narrow(report, request, changed_since(root, since))


def found(report: Report) -> list[str]:
    return [f"{row.code} {row.path}" for row in report.findings]


def test_nothing_changed(tree: Path) -> None:
    assert len(check(Request(tree, MANIFEST_PATH)).findings) == 2
    report = narrowed(tree)
    assert (found(report), report.exit_code) == ([], 0)
    assert report.changed is not None
    assert report.changed.document() == {
        "ref": "HEAD",
        "base": git(tree, "rev-parse", "HEAD"),
        "files": 0,
        "modules": 0,
    }


CHANGES: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "a module with a finding": ({"old.py": "import numpy\n\n"}, [NUMPY]),
    "a module that a pure one reaches": ({"app/table.py": "import syslog\n"}, ["E_ARCH_OS_IMPORT pure/tax.py"]),
    "a package that an import runs first": (
        {"app/__init__.py": "import syslog\n"},
        ["E_ARCH_DEPS_DENY app/early.py", "E_ARCH_OS_IMPORT pure/tax.py"],
    ),
    "a file that git does not know": ({"orphan_é.py": ""}, ["E_ARCH_NODE_ORPHAN_MODULE orphan_é.py"]),
    "a file that is ignored": ({"orphan.py": "", "../.gitignore": "orphan.py\n"}, []),
    "another import of a pair that has its finding": (
        {"app/late.py": "import web.site\n"},
        ["E_ARCH_DEPS_DENY app/late.py"],
    ),
    "a file that is no module": ({"pure/tax.py": "def"}, ["E_ARCH_MODULE_PARSE pure/tax.py"]),
    "a module that is gone": (
        {"web/site.py": None, "app/late.py": "import web.site\n"},
        [f"E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED app/{name}.py" for name in ("early", "late")],
    ),
    "a file beside the project": ({"../old.py": ""}, []),
    "the manifest": ({MANIFEST_PATH: None}, []),
    "the settings": ({"x07.toml": "[arch]\n"}, ["E_ARCH_DEPS_DENY app/early.py", NUMPY]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_kept(change: str, tree: Path) -> None:
    files, expected = CHANGES[change]
    for name, text in files.items():
        if name == MANIFEST_PATH:
            edit(tree, name, lambda document: document.update(rules=[]))
            expected = [NUMPY]
        elif text is None:
            (tree / name).unlink()
        else:
            (tree / name).write_text(text)
    report = narrowed(tree)
    assert found(report) == expected
    assert report.exit_code == (2 if expected else 0)
    commit(tree.parent)
    assert found(narrowed(tree)) == []


def test_a_module_that_is_gone_from_an_untouched_importer(tree: Path) -> None:
    (tree / "web/site.py").unlink()
    assert found(narrowed(tree)) == ["E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED app/early.py"]


def test_a_circle_of_nodes_that_a_change_closes_far_from_where_it_is_shown(tree: Path) -> None:
    edit(
        tree,
        MANIFEST_PATH,
        lambda document: document.update(rules=[{"kind": "deny_cycles_v1", "id": "r", "scope": "nodes"}]),
    )
    commit(tree.parent)
    (tree / "web.py").write_text("import app.late\n")
    assert found(narrowed(tree)) == ["E_ARCH_CYCLE app/early.py"]
    commit(tree.parent)
    (tree / "old.py").write_text("")
    assert found(narrowed(tree)) == []


def test_since_a_branch_was_left(tree: Path) -> None:
    base = git(tree, "rev-parse", "HEAD")
    git(tree, "checkout", "-qb", "feature")
    (tree / "app/late.py").write_text("import web.site\n")
    commit(tree)
    git(tree, "checkout", "-q", "main")
    (tree / "old.py").write_text("import numpy, scipy\n")
    commit(tree)
    git(tree, "checkout", "-q", "feature")
    report = narrowed(tree, "main")
    assert found(report) == ["E_ARCH_DEPS_DENY app/late.py"]
    assert report.changed is not None
    assert report.changed.base == base
    assert f"1 file changed since {base[:12]} (main), 1 module checked" in report.summary()


def test_a_baseline_counts_first(tree: Path) -> None:
    held = tree.parent / "base.json"
    assert found(narrowed(tree, baseline=held)) == []
    (tree / "old.py").write_text("import numpy, scipy\n")
    report = narrowed(tree, baseline=held)
    assert [row.message for row in report.findings] == ["old imports scipy, which externals do not list"]


def test_contracts_are_reported_if_one_is_touched(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    root = contracts_project(tmp_path)
    (root / "a.py").write_text("")
    edit(root, MANIFEST_PATH, lambda document: document.update(nodes=[node("a")]))
    edit(root, "arch/msg/index.x07msg.json", lambda document: document.update(extra=1))
    commit(root)
    (root / "a.py").write_text("x = 1\n")
    codes = {row.code for row in narrowed(root).findings}
    assert codes == {"E_ARCH_LOCK_MISMATCH"}  # said of the manifest, and so of every module
    (root / "arch/msg/notes").write_text("")
    assert len({row.code for row in narrowed(root).findings}) > 1


def test_what_git_cannot_answer(tmp_path: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[tuple[Path, str, str]] = [(tree, "nowhere", "'nowhere'"), (tree, "--output=x", "'--output=x'")]
    git(tree, "checkout", "-q", "--orphan", "other")
    (tree / "old.py").write_text("")
    commit(tree)
    cases.append((tree, "main", "'main'"))
    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "-q")
    cases.append((tmp_path / "new", "HEAD", "'HEAD'"))
    for root, ref, part in cases:
        with pytest.raises(ArchError, match=part) as caught:
            changed_since(root, ref)
        assert caught.value.code == "E_ARCH_CHANGED"
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "bare").mkdir()
    git(tmp_path, "init", "-q", "--bare", "bare")
    with pytest.raises(ArchError, match="git cannot tell what changed: fatal: "):
        changed_since(tmp_path / "bare", "HEAD")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ArchError, match="git is not installed"):
        changed_since(tree, "HEAD")


def test_the_command(tree: Path) -> None:
    (tree / "old.py").write_text("import numpy\n# touched\n")
    done = x07("arch", "check", "--changed", "--format", "json", cwd=tree)
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, load_schema("x07.arch.report"))
    assert (done.returncode, len(document["diags"]), document["changed"]["files"]) == (2, 1, 1)
    done = x07("arch", "check", "--changed", "--format", "github", cwd=tree)
    assert (len(done.stdout.splitlines()), "1 file changed since" in done.stderr) == (1, True)
    for wrong in (["--changed", "--write"], ["--since", "main"]):
        assert x07("arch", "check", *wrong, cwd=tree).returncode == 3
    done = x07("arch", "check", "--changed", "--since", "nowhere", cwd=tree)
    assert (done.returncode, "E_ARCH_CHANGED" in done.stderr) == (3, True)
