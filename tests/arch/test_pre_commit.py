"""The hook of ``.pre-commit-hooks.yaml``, installed and run by pre-commit itself at a real ``git commit``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.arch.trees import manifest, node, write
from tests.support.project import REPOSITORY

SHIPPED = (
    ".pre-commit-hooks.yaml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "x07py",
    "x07py_start.py",
    "schemas",
    "docs",
)


def commit_all(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Commit everything in a folder, in the name of nobody."""
    who = {f"GIT_{role}_{what}": "nobody@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    return subprocess.run(
        ["git", "commit", "-q", "-m", "all"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **who, "PATH": path, **env},
    )


def test_a_commit_that_breaks_the_architecture_is_refused(tmp_path: Path) -> None:
    tool, project = tmp_path / "tool", tmp_path / "project"
    # the hook's environment takes the tool alone; what it needs is here already
    home = {
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "false",
        "PYTHONPATH": sysconfig.get_path("purelib"),
    }
    for folder in (tool, project):
        folder.mkdir()
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    for name in SHIPPED:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, tool / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPOSITORY / name, tool)
    assert commit_all(tool).returncode == 0
    revision = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=tool, text=True).strip()
    (project / ".pre-commit-config.yaml").write_text(
        f"repos: [{{repo: '{tool}', rev: {revision}, hooks: [{{id: x07-arch-check}}]}}]\n"
    )
    write(project, manifest(node("a"), node("b")), {"a.py": "import b\n", "b.py": ""})
    subprocess.run([sys.executable, "-m", "pre_commit", "install"], cwd=project, check=True, capture_output=True)
    clean = commit_all(project, **home)
    assert clean.returncode == 0, clean.stderr
    (project / "orphan.py").write_text("")
    refused = commit_all(project, **home)
    assert refused.returncode == 1
    assert "E_ARCH_NODE_ORPHAN_MODULE" in refused.stderr
    (project / "orphan.py").unlink()
    (project / "notes.txt").write_text("no module, no contract: the hook has nothing to do")
    done = commit_all(project, **home)
    assert done.returncode == 0
    assert "no files to check" in done.stderr
