"""`x07 effects`: what modules and distributions reach, as text and JSON, and what an update adds."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.arch.trees import manifest, node, write
from tests.support.project import x07

TEXT = "import time\n\ndef now():\n    return time.time()\n\ndef price(n):\n    return n * 2\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "src/shop").mkdir(parents=True)
    (tmp_path / "src/shop/__init__.py").write_text("")
    (tmp_path / "src/shop/core.py").write_text(TEXT)
    return tmp_path


def test_a_module_and_its_functions(project: Path) -> None:
    whole = x07("effects", "shop.core", cwd=project)
    assert whole.returncode == 0
    assert whole.stdout.splitlines()[:2] == ["clock        shop.core:4 in now", "    shop.core:4 reaches time.time"]
    assert x07("effects", "shop.core:price", cwd=project).stdout.startswith("0 found; read ")
    assert x07("effects", "shop.core:now", cwd=project).stdout.startswith("clock ")


def test_a_difference(project: Path) -> None:
    (project / "old.json").write_text(x07("effects", "shop.core", "--format", "json", cwd=project).stdout)
    (project / "src/shop/core.py").write_text(TEXT + "\ndef load(p):\n    return open(p).read()\n")
    (project / "new.json").write_text(x07("effects", "shop.core", "--format", "json", cwd=project).stdout)
    done = x07("effects", "--diff", "old.json", "new.json", cwd=project)
    assert done.stdout == (
        "+ files-read   shop.core:10 load reaches builtins.open\n1 added, 0 gone; new capabilities: files-read\n"
    )


def test_what_a_comment_allows_is_shown_with_its_reason(project: Path) -> None:
    text = TEXT.replace("time.time()\n", "time.time()  # x07: allow clock -- for a log line\n")
    (project / "src/shop/core.py").write_text(text)
    said = x07("effects", "shop.core", "--explain", cwd=project).stdout.splitlines()
    assert said[2] == "    allowed by a comment: for a log line"
    document = json.loads(x07("effects", "shop.core", "--format", "json", cwd=project).stdout)
    assert [row["allowed"] for row in document["reaches"]] == ["for a log line"]


def test_a_distribution(project: Path) -> None:
    document = json.loads(x07("effects", "--distribution", "iniconfig", "--format", "json", cwd=project).stdout)
    assert {row["capability"] for row in document["reaches"]} == {"files-read"}
    assert document["read"]["unread"] == {}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "give a module"),
        (("shop.nothing",), "no module 'shop.nothing'"),
        (("shop.core:nothing",), "no function 'nothing'"),
        (("--distribution", "no-such-thing"), "no-such-thing is not installed"),
        (("shop.core", "--python", "."), "no pyvenv.cfg"),
        (("--diff", "a.json", "b.json"), "not a report"),
    ],
)
def test_what_cannot_be_asked(args: tuple[str, ...], message: str, project: Path) -> None:
    done = x07("effects", *args, cwd=project)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A virtual environment with a package of its own, as its ``pyvenv.cfg`` and folders tell."""
    place = tmp_path / "elsewhere"
    packages = place / f"lib/python3.{sys.version_info[1]}/site-packages"
    packages.mkdir(parents=True)
    (packages / "faraway.py").write_text("import time\ndef now(): return time.time()\ndef name(): return 'x'\n")
    home = Path(sysconfig.get_path("stdlib")).parents[1] / "bin"
    (place / "pyvenv.cfg").write_text(f"home = {home}\nversion = 3.{sys.version_info[1]}.0\n")
    return place


def test_the_check_reads_the_packages_of_another_environment(project: Path, elsewhere: Path) -> None:
    outside = {"allowed_import_prefixes": [], "allowed_exact": ["faraway"]}
    scan = {"exclude": ["elsewhere/**"], "roots": ["src"]}
    document = manifest(node("shop", "solve-pure"), scan=scan, externals=outside)
    files = {"src/shop/core.py": "import faraway\ndef f(it): return faraway.name(), it.go()\n"}
    write(project, document, files)
    here = x07("arch", "check", cwd=project)
    assert here.returncode == 2
    assert "E_ARCH_NOT_READ" in here.stdout
    there = x07("arch", "check", "--python", str(elsewhere), "--explain", cwd=project)
    assert there.returncode == 0, there.stdout
    assert "not followed  shop.core:2 in f: it.go(...)\n" in there.stdout
    (project / "src/shop/core.py").write_text("import faraway\ndef f(): return faraway.now()\n")
    late = x07("arch", "check", "--python", str(elsewhere), cwd=project)
    assert "E_ARCH_CALL_CLOCK" in late.stdout
    assert "note: faraway:2 reaches time.time" in late.stdout
    refused = x07("arch", "check", "--explain", "--format", "json", cwd=project)
    assert "--explain is text for people" in refused.stdout


def test_a_page_shows_chains_and_holds_nothing_of_the_code_as_markup(project: Path) -> None:
    text = "import time\nname = '<script>alert(1)</script>'\ndef f(x): return x.go(), vars(time)[name]\n"
    (project / "src/shop/core.py").write_text(TEXT + text)
    done = x07("effects", "shop.core", "--format", "html", "-o", "page.html", cwd=project)
    assert done.returncode == 0, done.stderr
    page = (project / "page.html").read_text()
    assert "<code>shop.core:4 in now</code> reaches <code>time.time</code>" in page
    assert "<li><code>shop.core:4</code> reaches <code>time.time</code></li>" in page
    assert "1 calls not followed" in page
    assert "<script" not in page
    assert "script-src &#x27;none&#x27;" in page or "script-src 'none'" in page
    assert x07("effects", "shop.core", "-o", "x.html", cwd=project).returncode != 0
