"""The documentation site: built without a warning, and looked at in a headless Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import REPOSITORY
from x07py.cli.main import COMMANDS
from x07py.worlds import WORLDS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict", "--quiet", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def look(page: Path, script: str, profile: Path, *flags: str) -> Any:
    """Open a page in Chromium, run `script` in it, and return its ``result``."""
    browser = shutil.which("chromium")
    assert browser, "run `make chromium`"
    probe = page.with_name(f"probe-{page.name}")
    ending = f"<script>addEventListener('load', () => {{ let result; {script}; "
    ending += "document.body.dataset.result = JSON.stringify(result) })</script></body>"
    probe.write_text(page.read_text(encoding="utf-8").replace("</body>", ending), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *flags]
    command = [browser, *options, "--virtual-time-budget=5000", "--dump-dom", probe.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    probe.unlink()
    found = re.search(r'data-result="([^"]*)"', dom)
    assert found, dom[-2000:]
    return json.loads(unescape(found[1]))


@pytest.mark.parametrize("width", [1400, 500])
def test_pages_fit_wide_and_narrow_windows(site: Path, width: int, tmp_path: Path) -> None:
    script = """
    const root = document.documentElement;
    result = {wide: root.scrollWidth - root.clientWidth, text: document.querySelector("article").innerText.length,
      nav: document.querySelector(".md-sidebar--primary").getBoundingClientRect().right > 0}
    """
    for name in ("index.html", "tutorial.html", "comparison.html", "reference/commands.html"):
        seen = look(site / name, script, tmp_path, f"--window-size={width},900")
        assert seen["wide"] <= 0, name
        assert seen["text"] > 500
        assert seen["nav"] == (width > 1000)


def test_light_and_dark(site: Path, tmp_path: Path) -> None:
    script = "result = getComputedStyle(document.body).backgroundColor"
    light = look(site / "tutorial.html", script, tmp_path / "1", "--blink-settings=preferredColorScheme=1")
    dark = look(site / "tutorial.html", script, tmp_path / "0", "--blink-settings=preferredColorScheme=0")
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (light, dark)]
    assert brightness[0] > 600
    assert brightness[1] < 200


def test_the_guide_follows_the_order_of_need(site: Path, tmp_path: Path) -> None:
    script = "result = [...document.querySelectorAll('.md-nav--primary a.md-nav__link')].map(a => a.innerText.trim())"
    shown = look(site / "index.html", script, tmp_path, "--window-size=1400,900")
    order = ["Testing existing code", "Histories", "Brokers", "Operations", "Sandbox", "Packages"]
    assert [name for name in shown if name in order][: len(order)] == order


def test_pages_made_from_the_source_hold_all_of_it(site: Path) -> None:
    pages = {
        name: (site / f"reference/{name}.html").read_text(encoding="utf-8") for name in ("commands", "worlds", "files")
    }
    assert [name for name in COMMANDS if f'id="x07-{name}"' not in pages["commands"]] == []
    assert [name for name in WORLDS if f"<code>{name}</code>" not in pages["worlds"]] == []
    assert "net.allow_hosts[].ports" in pages["files"]
    names = [path.name.removesuffix(".schema.json") for path in (REPOSITORY / "schemas").iterdir()]
    assert [name for name in names if f">{name}<a" not in pages["files"]] == []


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text(encoding="utf-8")
        )
        assert loaded == [], page.name


@pytest.mark.parametrize("width", [1400, 500])
def test_the_search_works_on_pages_opened_from_disk(site: Path, width: int, tmp_path: Path) -> None:
    script = """
    const query = document.querySelector('[data-md-component="search-query"]');
    const form = document.querySelector(".md-search__form");
    const wide = form.getBoundingClientRect().width;
    document.getElementById("__search").click();
    query.focus();
    query.value = "topology";
    query.dispatchEvent(new Event("input", {bubbles: true}));
    setTimeout(() => {
      const found = [...document.querySelectorAll(".md-search-result__item h1")].map(one => one.innerText);
      document.body.dataset.result = JSON.stringify({wide, found});
    }, 3000);
    """
    seen = look(site / "tutorial.html", script, tmp_path, f"--window-size={width},900")
    assert "Running a pump" in seen["found"]
    assert width < 1000 or seen["wide"] > 100
