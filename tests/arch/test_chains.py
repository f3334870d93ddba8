"""Rules on chains of imports, and manifests made from the settings of import-linter and tach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from tests.support.project import x07
from x07py.arch.check import Report

ABC = {"a.py": "", "b.py": "", "c.py": "", "d.py": ""}
NODES = [node(name) for name in "abcd"]


def checked(root: Path, rule: dict[str, Any], modules: dict[str, str], **changes: Any) -> Report:
    outside = {"allowed_import_prefixes": ["rich"], "allowed_exact": []} if "rich" in str(modules) else None
    more = {"externals": outside} if outside else {}
    return run(write(root, manifest(*NODES, rules=[{"id": "r", **rule}], **more, **changes), {**ABC, **modules}))


LAYERS = {"kind": "layers_v1", "layers": ["a", "c"], "direction": "down"}
THROUGH = {"a.py": "import b\n", "b.py": "import c\n"}
DIRECT = {"a.py": "import c\n"}
INDEPENDENT = {"kind": "independence_v1", "nodes": ["a", ["c", "d"]]}
FORBIDDEN = {"kind": "forbidden_v1", "from": ["a"], "to": ["c"], "externals": ["rich"]}
PROTECTED = {"kind": "protected_v1", "nodes": ["c"], "importers": ["b"]}
IGNORE = {"ignore": [{"importer": "b", "imported": "*", "reason": "a test"}]}
L, I_, F, P = "E_ARCH_LAYERS_VIOLATION", "E_ARCH_INDEPENDENCE", "E_ARCH_FORBIDDEN", "E_ARCH_PROTECTED"
CASES: dict[str, tuple[dict[str, Any], dict[str, str], list[str]]] = {
    "layers, a chain through what is in none": (LAYERS, THROUGH, [L]),
    "layers, direct imports alone": ({**LAYERS, "indirect": False}, THROUGH, []),
    "layers, a chain that another layer holds": ({**LAYERS, "layers": ["b", "a", "c"]}, THROUGH, [L]),
    "layers, one layer of two": ({**LAYERS, "layers": [["a", "c"], "d"]}, THROUGH, []),
    "layers, an ignored import": ({**LAYERS, **IGNORE}, THROUGH, []),
    "layers, another one": ({**LAYERS, **IGNORE}, {**DIRECT, "b.py": "import d\n"}, [L]),
    "layers, all of them": ({**LAYERS, "exhaustive": True, "exempt": ["b"]}, {}, ["E_ARCH_LAYERS_NOT_EXHAUSTIVE"]),
    "layers, by a pattern": ({**LAYERS, "layers": ["a", "*"], "indirect": False}, {}, []),
    "independence": (INDEPENDENT, DIRECT, [I_]),
    "independence, the other way": (INDEPENDENT, {"d.py": "import b\n", "b.py": "import a\n"}, [I_]),
    "independence, direct imports alone": ({**INDEPENDENT, "indirect": False}, THROUGH, []),
    "independence, inside a group": (INDEPENDENT, {"c.py": "import d\n"}, []),
    "forbidden": (FORBIDDEN, DIRECT, [F]),
    "forbidden, through others": (FORBIDDEN, THROUGH, [F]),
    "forbidden, indirect allowed": ({**FORBIDDEN, "allow_indirect": True}, THROUGH, []),
    "forbidden from outside": (FORBIDDEN, {"a.py": "import b\n", "b.py": "import rich.text\n"}, [F]),
    "forbidden from outside, elsewhere": (FORBIDDEN, {"c.py": "import rich\n"}, []),
    "protected": (PROTECTED, DIRECT, [P]),
    "protected, an importer": (PROTECTED, THROUGH, []),
    "an exception that excuses nothing": ({**FORBIDDEN, **IGNORE}, {}, ["E_ARCH_EXCEPTION_UNUSED"]),
    "a pattern that matches no node": ({**LAYERS, "layers": ["a", "x*"]}, {}, ["E_ARCH_MANIFEST_INVALID"]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_rule(case: str, tmp_path: Path) -> None:
    rule, modules, expected = CASES[case]
    assert codes(checked(tmp_path, rule, modules)) == expected


def test_the_shortest_chain_is_shown(tmp_path: Path) -> None:
    report = checked(tmp_path, LAYERS, {"a.py": "import d, b\n", "b.py": "\nimport c\n", "d.py": "import b\n"})
    (row,) = report.findings
    assert row.notes == ("a.py:1 imports b", "b.py:2 imports c")
    assert row.data["chain"] == ["a", "b", "c"]
    assert [(one.path, one.line) for one in row.related] == [("b.py", 2)]


def test_a_chain_counts_in_a_baseline(tmp_path: Path) -> None:
    checked(tmp_path, LAYERS, THROUGH)
    baseline = ("arch", "check", "--baseline", "arch/b.json")
    assert x07(*baseline, "--update-baseline", cwd=tmp_path).returncode == 0
    assert x07(*baseline, cwd=tmp_path).returncode == 0
    (tmp_path / "d.py").write_text("import c\n")
    (tmp_path / "a.py").write_text("import b\nimport d\n")
    assert x07(*baseline, cwd=tmp_path).returncode == 0


SHOP = {
    "shop/__init__.py": "",
    "shop/high/__init__.py": "",
    "shop/high/x.py": "from shop.low import a\n",
    "shop/low/__init__.py": "",
    "shop/low/a.py": "from shop import util\n",
    "shop/low/b.py": "",
    "shop/low/deep/c.py": "",
    "shop/util.py": "",
}
LINTER = """\
[importlinter]
root_package = shop
[importlinter:contract:layers]
name = Layers
type = layers
containers =
    shop
layers =
    high
    (gone)
    low
[importlinter:contract:apart]
name = Apart
type = independence
modules =
    shop.low.a
    shop.low.b
[importlinter:contract:plain]
name = Plain
type = forbidden
source_modules = shop.low
forbidden_modules =
    rich
    shop.high
ignore_imports =
    shop.low.a -> shop.util
[importlinter:contract:mine]
name = Mine
type = my_own
"""


def converted(root: Path, name: str, text: str) -> dict[str, Any]:
    for path, content in {**SHOP, name: text}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    option = "--from-tach" if "tach" in name else "--from-importlinter"
    done = x07("arch", "init", option, name, cwd=root)
    assert done.returncode == 0, done.stderr
    assert x07("arch", "check", cwd=root).returncode == 0
    document: dict[str, Any] = json.loads((root / "arch/manifest.x07arch.json").read_text())
    return {**document, "said": done.stdout}


def test_contracts_of_import_linter(tmp_path: Path) -> None:
    made = converted(tmp_path, ".importlinter", LINTER)
    assert "not taken over: contract mine: type 'my_own' has no counterpart" in made["said"]
    assert [node["id"] for node in made["nodes"]] == ["shop", "shop.high", "shop.low", "shop.low.a", "shop.low.b"]
    assert [(rule["kind"], rule["id"]) for rule in made["rules"]] == [
        ("layers_v1", "layers:shop"),
        ("independence_v1", "apart"),
        ("forbidden_v1", "plain"),
    ]
    assert made["rules"][0]["layers"] == [["shop.low", "shop.low.a", "shop.low.b"], ["shop.high"]]
    assert made["rules"][2]["externals"] == ["rich"]
    (tmp_path / "shop/util.py").write_text("import shop.high.x\n")
    (tmp_path / "shop/low/a.py").write_text("from shop import util\nfrom shop.low import b\n")
    done = x07("arch", "check", cwd=tmp_path)
    for code in ("E_ARCH_LAYERS_VIOLATION", "E_ARCH_INDEPENDENCE"):
        assert code in done.stdout
    assert "E_ARCH_FORBIDDEN" not in done.stdout  # the only chain is ignored


TOML = """\
[[tool.importlinter.contracts]]
name = "Layers"
type = "layers"
layers = ["shop.high", "shop.low | shop.util"]
[[tool.importlinter.contracts]]
name = "Protected"
type = "protected"
protected_modules = ["shop.util"]
allowed_importers = ["shop.low"]
"""


def test_contracts_in_toml(tmp_path: Path) -> None:
    made = converted(tmp_path, "other.toml", TOML.replace("shop.low | shop.util", "shop.low : shop.util"))
    assert [rule["kind"] for rule in made["rules"]] == ["layers_v1", "protected_v1"]
    (tmp_path / "shop/high/x.py").write_text("import shop.util\n")
    assert "E_ARCH_PROTECTED" in x07("arch", "check", cwd=tmp_path).stdout
    assert made["scan"]["type_imports"] is True


TACH = """\
exclude = ["build"]
layers = ["high", "low"]
forbid_circular_dependencies = true
root_module = "ignore"
[[modules]]
path = "shop.high"
layer = "high"
[[modules]]
path = "shop.low"
layer = "low"
depends_on = ["shop.util"]
[[modules]]
path = "shop.util"
depends_on = []
"""


def test_modules_of_tach(tmp_path: Path) -> None:
    made = converted(tmp_path, "tach.toml", TACH)
    assert "not taken over: setting 'root_module' has no counterpart" in made["said"]
    (tmp_path / "shop/util.py").write_text("import shop.low.b\n")
    (tmp_path / "shop/low/b.py").write_text("import shop.high\n")
    found = x07("arch", "check", cwd=tmp_path).stdout
    for code in ("E_ARCH_EDGE_NOT_ALLOWED", "E_ARCH_LAYERS_VIOLATION", "E_ARCH_CYCLE"):
        assert code in found


@pytest.mark.parametrize("option", ["--from-importlinter", "--from-tach"])
@pytest.mark.parametrize("text", ["", "[", "[tool]\nx = 1\n"])
def test_what_cannot_be_taken_over(option: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    (tmp_path / "x.toml").write_text(text)
    done = x07("arch", "init", option, "x.toml", cwd=tmp_path)
    assert (done.returncode, "E_ARCH_CONVERT" in done.stderr, (tmp_path / "arch").exists()) == (3, True, False)
