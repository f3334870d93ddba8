"""``x07 arch check`` as users run it: formats, exit codes, bytes that never vary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.arch.trees import manifest, node, write
from tests.project import x07
from x07py.codes import all_codes
from x07py.contracts.schemas import load_schema

SARIF = jsonschema.Draft7Validator(json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text("utf-8")))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    document = manifest(node("a", "solve-pure"), node("b"))
    return write(tmp_path, document, {"a.py": "import b\nimport time\ntime.time()\n", "b.py": "import socket\n"})


def test_text_shows_place_line_chain_and_hint(broken: Path) -> None:
    done = x07("arch", "check", cwd=broken)
    assert done.returncode == 2
    for part in ("a.py:3:1", "3 | time.time()", "note: b.py:1 imports socket", "help: ", "2 modules, 2 nodes"):
        assert part in done.stdout
    assert done.stderr == ""


def test_json_fits_its_schema_and_its_bytes_do_not_vary(broken: Path) -> None:
    outputs = {
        x07("arch", "check", "--format", "json", cwd=broken, PYTHONHASHSEED=str(seed)).stdout for seed in range(3)
    }
    assert len(outputs) == 1
    report = json.loads(outputs.pop())
    jsonschema.validate(report, load_schema("x07.arch.report"))
    assert {row["code"] for row in report["diags"]} <= all_codes().keys()
    assert report["stats"] == {"modules": 2, "nodes": 2, "module_edges": 1, "node_edges": 1}


def test_github(broken: Path) -> None:
    lines = x07("arch", "check", "--format", "github", cwd=broken).stdout.splitlines()
    assert lines[0].startswith("::error file=a.py,line=3,col=1,title=E_ARCH_CALL_CLOCK::time.time in a solve-pure")


def test_sarif(broken: Path) -> None:
    def results() -> list[dict[str, Any]]:
        document = json.loads(x07("arch", "check", "--format", "sarif", cwd=broken).stdout)
        SARIF.validate(document)
        [run] = document["runs"]
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        assert {result["ruleId"] for result in run["results"]} == set(rules)
        assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
        found: list[dict[str, Any]] = run["results"]
        return found

    before = results()
    assert before[0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a.py", "uriBaseId": "PROJECTROOT"},
        "region": {"startLine": 3, "startColumn": 1, "snippet": {"text": "time.time()"}},
    }
    (broken / "a.py").write_text("# moved\n" + (broken / "a.py").read_text())
    after = results()
    assert after[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    prints = [[one["partialFingerprints"]["x07Finding/v1"] for one in found] for found in (before, after)]
    assert prints[0] == prints[1]
    assert len(set(prints[0])) == len(prints[0])


def test_sarif_of_an_odd_path(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": "", "b c%é.py": "import a\n"})
    document = json.loads(x07("arch", "check", "--format", "sarif", cwd=tmp_path).stdout)
    SARIF.validate(document)
    uris = {
        row["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for row in document["runs"][0]["results"]
    }
    assert "b%20c%25%C3%A9.py" in uris


def test_exit_codes(tmp_path: Path, broken: Path) -> None:
    assert x07("arch", "check", "--repo-root", "none", cwd=broken).returncode == 3
    assert x07("arch", "check", "--manifest", "none.json", cwd=broken).returncode == 3
    assert x07("arch", "check", "--max-modules", "1", cwd=broken).returncode == 4
    assert x07("arch", "chekc", cwd=broken).returncode == 2
    write(broken, manifest(node("a"), node("b")))
    assert x07("arch", "check", "--write-lock", cwd=broken).returncode == 0


def test_a_lock_that_cannot_be_written(tmp_path: Path) -> None:
    write(tmp_path, manifest())
    (tmp_path / "arch/manifest.lock.json").symlink_to("none/lock.json")
    done = x07("arch", "check", "--write-lock", "--lock", "none/lock.json", cwd=tmp_path)
    assert done.returncode == 3
    assert "X07IO_WRITE" in done.stderr


def test_init_starts_green_and_a_rule_then_bites(tmp_path: Path) -> None:
    modules = {
        "src/shop/__init__.py": "from . import db\n",
        "src/shop/db.py": "import sqlalchemy, socket\ndef f(x: bytes): ...\n",
        "tests/test_shop.py": "import shop, pytest\n",
        "tests/data/broken.py": "def",
        "my-script.py": "import shop\n",
    }
    for name, text in modules.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = x07("arch", "init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out, not a module: tests/data/broken.py" in done.stdout
    assert x07("arch", "check", cwd=tmp_path).returncode == 0
    again = x07("arch", "init", cwd=tmp_path)
    assert (again.returncode, "E_ARCH_INIT_EXISTS" in again.stderr) == (3, True)
    path = tmp_path / "arch/manifest.x07arch.json"
    path.write_text(path.read_text().replace("run-os", "solve-pure"))
    assert "src/shop/db.py:1" in x07("arch", "check", cwd=tmp_path).stdout


def test_init_without_modules(tmp_path: Path) -> None:
    done = x07("arch", "init", cwd=tmp_path)
    assert (done.returncode, "E_ARCH_INIT_EMPTY" in done.stderr) == (3, True)


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for command in ("check", "init"):
        for root in ("file", "nowhere"):
            done = x07("arch", command, "--repo-root", root, cwd=tmp_path)
            assert done.returncode == 3
            assert "E_ARCH_ROOT" in done.stderr
