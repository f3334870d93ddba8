"""A file or program that is refused is told: what, to whom, and the flag that would allow it; once, and counted."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.project import x07

TRIES = """
import os, subprocess, sys
def attempt(act):
    try: act()
    except OSError as error: print(type(error).__name__)
outside = sys.argv[1]
for _ in range(3): attempt(lambda: open(outside + "/new", "w"))
attempt(lambda: open(outside + "/there", "a"))
attempt(lambda: os.mkdir(outside + "/folder"))
attempt(lambda: os.unlink(outside + "/there"))
attempt(lambda: os.rename(outside + "/there", outside + "/other"))
attempt(lambda: subprocess.run(["/usr/bin/id"]))
attempt(lambda: open(outside + "/there"))
"""
FAILS_ANYWAY = """
import os, subprocess
def attempt(act):
    try: act()
    except OSError: pass
attempt(lambda: os.makedirs("/usr", exist_ok=True))
attempt(lambda: os.unlink("/usr/nothing-here"))
attempt(lambda: open("/nothing/here", "w"))
attempt(lambda: subprocess.run(["no-such-program"]))
"""


def run(place: Path, program: str, *words: str) -> tuple[str, list[str]]:
    (place / "x07.toml").write_text('entry = "main.py"\n')
    (place / "main.py").write_text(program)
    done = x07("run", "--profile", "sandbox", *words, cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout, [line for line in done.stderr.splitlines() if " times; " not in line]


def test_each_refusal_is_told_with_its_flag(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "there").write_text("there")
    text, told = run(project, TRIES, "--report", "report.json", "--", str(outside))
    assert text.split() == ["PermissionError"] * 9
    flags = [line.partition("allow with ")[2] for line in told]
    program = Path("/usr/bin/id").resolve()
    assert flags == [
        f"--allow-write {outside}",
        f"--allow-write {outside}/there",
        f"--allow-run {program}",
    ]
    denials = json.loads((project / "report.json").read_text())["denials"]
    assert {(one["kind"], one["target"], one["allow"]) for one in denials} == {
        ("write", str(outside), f"--allow-write {outside}"),
        ("write", f"{outside}/there", f"--allow-write {outside}/there"),
        ("run", str(program), f"--allow-run {program}"),
    }
    assert next(one["count"] for one in denials if one["target"] == str(outside)) >= 6


def test_with_an_audit_log_reading_is_told_too_and_a_policy_can_be_made_of_it(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "there").write_text("there")
    _, told = run(project, TRIES, "--audit", "audit.jsonl", "--", str(outside))
    assert f"--allow-read {outside}/there" in [line.partition("allow with ")[2] for line in told]
    (project / "policy.json").write_text(x07("policy", "learn", "audit.jsonl", cwd=project).stdout)
    done = x07("run", "--profile", "sandbox", "--policy", "policy.json", "--", str(outside), cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert (outside / "folder").is_dir()


STARTS = """
import os, subprocess
open("script", "w").write("#!/usr/bin/env cat\\nhello\\n"); os.chmod("script", 0o755)
try: subprocess.run(["./script"])
except PermissionError: print("refused")
"""


def test_the_interpreter_of_a_script_is_told_as_well(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    program = STARTS.replace("script", "own/script")
    _, told = run(tmp_path, program, "--allow-write", "own")
    assert [line.partition("allow with ")[2] for line in told] == [
        f"--allow-run {tmp_path}/own/script",
        f"--allow-run {Path('/usr/bin/env').resolve()}",
    ]
    x07("run", "--profile", "sandbox", "--learn", "policy.json", cwd=tmp_path)
    done = x07("run", "--profile", "sandbox", "--policy", "policy.json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "#!/usr/bin/env cat\nhello\n"), done.stderr


def test_what_fails_for_everybody_is_no_refusal(tmp_path: Path) -> None:
    assert run(tmp_path, FAILS_ANYWAY) == ("", [])
