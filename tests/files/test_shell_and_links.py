"""What a shell reads of a command holds no text of the checkout; what a command writes follows no link of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.project import x07, x07_here

TOPICS = {
    "schema_version": "x07py.arch.msg.index@0.1.0",
    "topics": [{"id": "orders"}],
    "kafka": [{"id": "local_dev_v1", "bootstrap": ["127.0.0.1:9092"], "security": {"tls": False}}],
}
README = "source <(grep -o 'export .*')"
"""What a shell does with the output of ``x07 broker up`` in the README."""


def with_profile(root: Path, name: str) -> None:
    """Give a project a profile of Kafka with this id."""
    (root / "arch" / "msg").mkdir(parents=True)
    topics = {**TOPICS, "kafka": [{**TOPICS["kafka"][0], "id": name}]}  # type: ignore[dict-item]
    (root / "arch" / "msg" / "index.x07msg.json").write_text(json.dumps(topics))


@pytest.mark.parametrize(
    "name", ["export A=$(touch ran)", "a\nexport A=$(touch ran)", "a`touch ran`", "x;touch ran", ""]
)
def test_an_id_of_a_profile_is_no_line_for_a_shell(tmp_path: Path, name: str) -> None:
    with_profile(tmp_path, name)
    done = x07("broker", "up", "kafka", "--embedded", cwd=tmp_path)
    x07("broker", "down", "kafka", cwd=tmp_path)
    assert done.returncode != 0
    assert "is no id: a shell reads the line about it" in done.stderr
    subprocess.run(["bash", "-c", README], cwd=tmp_path, input=done.stdout, text=True, check=False, capture_output=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("link", ["arch", ".x07_rr"])
@pytest.mark.parametrize("command", ["arch init", "init --template existing", "arch check --write-lock"])
def test_no_command_writes_into_a_folder_behind_a_link(tmp_path: Path, link: str, command: str) -> None:
    outside, project = tmp_path / "outside", tmp_path / "project"
    outside.mkdir()
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    (project / "a.py").write_text("")
    if command.startswith("arch check"):
        assert x07_here("arch", "init", cwd=project).returncode == 0
        if link == "arch":
            for file in (project / "arch").iterdir():
                file.rename(outside / file.name)
            (project / "arch").rmdir()
            (outside / "manifest.lock.json").unlink(missing_ok=True)
    (project / link).symlink_to(outside)
    before = sorted(outside.iterdir())
    x07_here(*command.split(), cwd=project)
    assert sorted(outside.iterdir()) == before
