"""``x07 arch check`` as users run it: formats, exit codes, bytes that never vary."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.arch.trees import manifest, node, write
from tests.support.project import x07
from x07py.codes import all_codes
from x07py.contracts.schemas import load_schema

SARIF = jsonschema.Draft7Validator(json.loads(Path(__file__).with_name("sarif-schema-2.1.0.json").read_text("utf-8")))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    document = manifest(node("a", "solve-pure"), node("b"))
    return write(tmp_path, document, {"a.py": "import b\nimport time\ntime.time()\n", "b.py": "import syslog\n"})


def test_text_shows_place_line_chain_and_hint(broken: Path) -> None:
    done = x07("arch", "check", cwd=broken)
    assert done.returncode == 2
    for part in ("a.py:3:1", "3 | time.time()", "note: b.py:1 imports syslog", "help: ", "2 modules, 2 nodes"):
        assert part in done.stdout
    assert done.stderr == ""


ALL_FORMATS = """
import io, sys
from x07py.cli.main import main
for format in ("json", "sarif", "github", "text"):
    sys.argv = ["x07", "arch", "check", "--format", format, *ROOT]
    try:
        main()
    except SystemExit as stop:
        assert stop.code == 2, stop
"""


def printed(folder: Path, *root: str, **env: str) -> bytes:
    """Return a report in every format, one after the other, as one process prints them."""
    program = ALL_FORMATS.replace("ROOT", repr(root))
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, env=os.environ | env
    ).stdout


def test_the_bytes_of_a_report_never_vary(tmp_path: Path) -> None:
    """Not by hash seed, locale, time zone, width, folder, working directory, order or age of files, nor the cache."""
    nodes = [node("a", "solve-pure"), node("b"), node("m")]
    document = manifest(*nodes, rules=[{"kind": "deny_cycles_v1", "id": "r", "scope": "modules"}])
    modules = {f"m/{name}.py": "import a, numpy, 雪.x\n" for name in ("z", "é", "k", "c")}
    modules |= {"a.py": "import b, time\ntime.time()\nfor x in {1, 2}: print(x)\n", "b.py": "import syslog, m.z, 雪\n"}
    for name, order in (("one", list(modules)), ("two", sorted(modules, reverse=True))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, document, {path: modules[path] for path in order})
    os.utime(tmp_path / "two/a.py", (0, 0))
    outputs = [
        printed(tmp_path / "one", PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C.UTF-8", COLUMNS="40"),
        printed(tmp_path / "one", PYTHONHASHSEED="2", TZ="UTC", PYTHONIOENCODING="latin-1"),
        printed(tmp_path, "--repo-root", "two", PYTHONHASHSEED="3", TZ="America/Lima", LC_ALL="C"),
    ]
    assert outputs[0] == outputs[1] == outputs[2]
    text = outputs[0].decode()
    report, end = json.JSONDecoder().raw_decode(text)
    SARIF.validate(json.JSONDecoder().raw_decode(text[end + 1 :])[0])
    jsonschema.validate(report, load_schema("x07.arch.report"))
    assert {row["code"] for row in report["diags"]} <= all_codes().keys()
    assert report["stats"] == {"modules": 6, "nodes": 3, "module_edges": 6, "node_edges": 3}


def test_github(broken: Path) -> None:
    lines = x07("arch", "check", "--format", "github", cwd=broken).stdout.splitlines()
    assert lines[0].startswith("::error file=a.py,line=3,col=1,title=E_ARCH_CALL_CLOCK::time.time in a solve-pure")
    assert any(line.endswith("pass values in%0Aa.py:1 imports b%0Ab.py:1 imports syslog") for line in lines)


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
    write(tmp_path, manifest(node("a")), {"a.py": "", "d/b c%é.x07.json": "{}", "c.py": "x = 'é😀'; import numpy\n"})
    document = json.loads(x07("arch", "check", "--format", "sarif", cwd=tmp_path).stdout)
    SARIF.validate(document)
    places = [row["locations"][0]["physicalLocation"] for row in document["runs"][0]["results"]]
    assert "d/b%20c%25%C3%A9.x07.json" in [place["artifactLocation"]["uri"] for place in places]
    assert document["runs"][0]["columnKind"] == "unicodeCodePoints"
    assert [place["region"]["startColumn"] for place in places if "region" in place] == [11]


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
        "tests/data/broken.py": "import (",
        "my-script.py": "import shop\n",
    }
    for name, text in modules.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    done = x07("arch", "init", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "left out, in scan.exclude: tests/data/broken.py" in done.stdout
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
