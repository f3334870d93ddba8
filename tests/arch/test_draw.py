"""The architecture drawn: Mermaid and DOT as text, the page looked at in a headless Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.trees import manifest, node, write
from tests.cli.test_rr_view_page import browse
from tests.support.project import x07
from x07py.arch.project import MANIFEST_PATH

DENY = {"kind": "deps_v1", "id": "no", "from": "core", "to": ["web"], "mode": "deny"}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Three nodes, one edge forbidden, one finding inside a node."""
    nodes = node("core", "solve-pure"), node("shop"), node("web")
    modules = {
        "core/__init__.py": "import web\n",
        "shop/__init__.py": "import core\nimport web\n",
        "shop/more.py": "import core\nimport numpy\n",
        "web/__init__.py": "",
    }
    return write(tmp_path, manifest(*nodes, rules=[DENY]), modules)


def draw(root: Path, *args: str) -> str:
    done = x07("arch", "graph", *args, cwd=root)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_mermaid(shop: Path) -> None:
    assert draw(shop) == (
        "flowchart TD\n"
        '  n0["core<br/>solve-pure"]:::solve_pure\n'
        '  n1["shop<br/>run-os"]:::run_os\n'
        '  n2["web<br/>run-os"]:::run_os\n'
        "  n0 -->|1| n2\n"
        "  n1 -->|2| n0\n"
        "  n1 -->|1| n2\n"
        "  linkStyle 0 stroke:#c62828,stroke-width:3px\n"
        "  classDef run_os fill:#795548,color:#fff\n"
        "  classDef solve_pure fill:#2e7d32,color:#fff\n"
    )


def test_dot(shop: Path) -> None:
    text = draw(shop, "--format", "dot", "-o", "graph.dot")
    assert text == ""
    shown = (shop / "graph.dot").read_text()
    assert '"core" -> "web" [label="1", color="#c62828", penwidth=2];' in shown
    assert '"shop" -> "core" [label="2"];' in shown
    assert shown.count("fillcolor") == 3


def test_the_page(shop: Path) -> None:
    draw(shop, "--format", "html", "-o", "graph.html")
    seen = browse(
        shop / "graph.html",
        """
        const aside = document.querySelector("aside");
        const press = one => { document.querySelector(one).dispatchEvent(new Event("click")); return aside.innerText; };
        result = {
          counts: counts.textContent,
          red: [...document.querySelectorAll(".edge.bad")].map(e => e.dataset.from + ">" + e.dataset.to),
          colour: getComputedStyle(document.querySelector('[data-node="core"] rect')).fill,
          core: press('[data-node="core"]'),
          faded: document.querySelectorAll(".faded").length,
          shop: press('[data-node="shop"]'),
          edge: press('[data-from="core"][data-to="web"]'),
          wide: document.documentElement.scrollWidth <= innerWidth,
        };
        """,
    )
    assert seen["counts"] == "3 nodes, 3 edges, 1 forbidden"
    assert seen["red"] == ["core>web"]
    assert seen["colour"] == "rgb(46, 125, 50)"
    assert "solve-pure" in seen["core"]
    assert "E_ARCH_DEPS_DENY" in seen["core"]
    assert seen["faded"] == 1
    assert "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED" in seen["shop"]
    assert "shop.more" in seen["shop"]
    assert "rule no forbids core to import web" in seen["edge"]
    assert seen["wide"]


def test_names_are_text_and_no_script(tmp_path: Path) -> None:
    hostile = '</script><img src=x onerror="document.title=1">'
    prefixed = node("a", match={"module_prefixes": ["a", hostile], "path_globs": []})
    write(tmp_path, manifest(prefixed), {"a.py": ""})
    draw(tmp_path, "--format", "html", "-o", "graph.html")
    seen = browse(
        tmp_path / "graph.html",
        """
        document.querySelector(".node").dispatchEvent(new Event("click"));
        result = [document.querySelectorAll("img").length, document.querySelector("aside").innerText];
        """,
    )
    assert seen[0] == 0
    assert hostile in seen[1]


TOP = 'one => document.querySelector(`[data-node="${one}"] rect`).y.baseVal.value'


def test_layers_stand_in_their_order_and_red_edges_name_their_rule(tmp_path: Path) -> None:
    layers = {"kind": "layers_v1", "id": "three", "layers": ["c", ["b", "d"], "a"], "direction": "down"}
    modules = {"a.py": "", "b.py": "import a\n", "c.py": "import e\n", "d.py": "import e\n", "e.py": "import c\n"}
    write(tmp_path, manifest(*(node(name) for name in "abcde"), rules=[layers]), modules)
    draw(tmp_path, "--format", "html", "-o", "graph.html")
    seen = browse(
        tmp_path / "graph.html",
        f"""
        const top = {TOP};
        result = {{
          tops: ["a", "b", "d", "e", "c"].map(top),
          rules: [...document.querySelectorAll(".rule")].map(one => one.textContent),
        }};
        """,
    )
    a, b, d, e, c = seen["tops"]
    assert a < b == d < min(e, c)
    assert seen["rules"] == ["three"]


def test_many_nodes_are_folded_searched_and_looked_at_one_by_one(tmp_path: Path) -> None:
    names = [f"{group}.m{place}" for group in ("one", "two", "three") for place in range(60)]
    nodes = [node(name) for name in names]
    modules = {f"{name.replace('.', '/')}.py": "import one.m0\n" for name in names}
    write(tmp_path, manifest(*nodes), {**modules, "two/m1.py": "import three.m2\n"})
    draw(tmp_path, "--format", "html", "-o", "graph.html")
    seen = browse(
        tmp_path / "graph.html",
        """
        const nodes = () => document.querySelectorAll(".node").length;
        const press = one => document.querySelector(one).dispatchEvent(new Event("click"));
        const before = document.querySelector("svg").viewBox.baseVal.width;
        result = { folded: nodes(), counts: counts.textContent };
        press("#fold"); result.all = nodes();
        search.value = "two.m1"; search.dispatchEvent(new Event("input"));
        result.hits = document.querySelectorAll(".node.hit").length;
        press('[data-node="two.m1"]'); press("#focus"); result.focus = nodes();
        press("#focus"); press("#fold"); press('[data-node="one.*"]'); press("aside button"); result.one = nodes();
        press("#plus"); result.nearer = document.querySelector("svg").viewBox.baseVal.width < before * 50;
        """,
    )
    assert seen == {
        "folded": 3,
        "counts": "3 of 180 nodes, 3 edges, 0 forbidden",
        "all": 180,
        "hits": 11,
        "focus": 2,
        "one": 62,
        "nearer": True,
    }


def test_a_project_that_cannot_be_read(tmp_path: Path) -> None:
    done = x07("arch", "graph", cwd=tmp_path)
    assert done.returncode == 3
    assert "E_ARCH_MANIFEST_READ" in done.stderr
    write(tmp_path, manifest(node("a")), {"a.py": ""})
    assert "X07IO_WRITE" in x07("arch", "graph", "-o", "no/where.html", cwd=tmp_path).stderr
    (tmp_path / MANIFEST_PATH).write_text("{")
    assert "E_ARCH_MANIFEST_JSON_PARSE" in x07("arch", "graph", cwd=tmp_path).stderr


def test_two_runs_give_the_same_bytes(shop: Path) -> None:
    for name in ("mermaid", "dot", "html"):
        assert draw(shop, "--format", name) == draw(shop, "--format", name)
