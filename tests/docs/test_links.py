"""Every link, anchor and file that the documentation names is there."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from tests.docs.pages import PAGES
from tests.support.project import REPOSITORY

MADE_WITH_THE_SITE = {
    *(f"docs/reference/{name}.md" for name in ("commands", "files", "worlds")),
    *(f"docs/explanation/{name}" for name in ("rooms.md", "rooms-graph.html")),
}
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)", re.DOTALL)
_ROOTS = ("arch", "bench", "docs", "schemas", "tests", "x07py", ".ci")
_FILE = re.compile(rf"`((?:{'|'.join(map(re.escape, _ROOTS))})/[\w./-]+\.\w+)`")
EXAMPLES_OF_USERS = {
    "arch/contracts.lock.json",
    "arch/manifest.lock.json",
    "arch/manifest.x07arch.json",
    "arch/msg/KIND/index.x07KIND.json",
    "arch/msg/index.x07msg.json",
    "arch/msg/services/ID.service.json",
}


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the site makes them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = unicodedata.normalize("NFKD", heading.replace("`", "")).encode("ascii", "ignore").decode().lower()
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip()))
    return found


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere; links to other hosts have to be https."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lost = []
    for link in _LINK.findall(text):
        path, _, anchor = link.partition("#")
        if "://" in path:
            lost += [] if path.startswith("https://") else [link]
            continue
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(REPOSITORY)
        made = inside and target.relative_to(REPOSITORY).as_posix() in MADE_WITH_THE_SITE
        if not made and (not inside or not target.exists() or (anchor and anchor not in anchors(target))):
            lost.append(link)
    return lost


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_files_that_are_named_are_there(page: Path) -> None:
    named = set(_FILE.findall(page.read_text(encoding="utf-8")))
    places = (REPOSITORY, REPOSITORY / "tests", page.parent, REPOSITORY / "docs/examples/contracts_project")
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert set(missing) <= EXAMPLES_OF_USERS


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One two\n[a](#one-two) [b](#three) [c](nowhere.md)\n[d](http://x.example/)\n")
    assert anchors(page) == {"one-two"}
    assert [link for link in broken(page) if link != "#one-two"] == ["#three", "nowhere.md", "http://x.example/"]
