"""The viewer's page, looked at in a headless Chromium: real layout, real scripts, light and dark."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.test_reports import publish
from tests.explore.programs import BUGS
from tests.explore.test_explore import explored
from tests.support.project import REPOSITORY, x07
from x07py import Envelope
from x07py.contracts.schemas import load_schema
from x07py.explore.kept import keep, schedule_of
from x07py.rr import Cassette, Entry

HOSTILE = '</script><img src=x onerror="document.title=1">'


_WAITING = """
const until = async held => { while (!held()) await new Promise(next => setTimeout(next, 5)); };
const settled = async act => { const before = document.body.dataset.shown; act();
  await until(() => document.body.dataset.shown !== before); };
const opened = async act => { const before = document.querySelector("aside").firstChild; act();
  await until(() => document.querySelector("aside").firstChild !== before); };
"""
_DONE = "document.body.dataset.result = JSON.stringify(result)"


def browse(page: Path, script: str, *flags: str) -> Any:
    """Open a page in Chromium, run `script` in it when it is there, and return what its ``result`` is.

    In the script, ``settled(act)`` does something that filters, and waits for what comes of it; ``opened(act)`` does
    something that opens an entry, and waits for its fields.
    """
    browser = shutil.which("chromium")
    assert browser, "the viewer's tests need Chromium: run `make chromium`"
    probe = page.with_name("probe.html")
    own = (
        f"{_WAITING}(async () => {{ await until(() => document.body.dataset.ready); let result; {script}; {_DONE} }})()"
    )
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    text = page.read_text(encoding="utf-8").replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    probe.write_text(text.replace("</body>", f"<script>{own}</script></body>"), encoding="utf-8")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", profile, *flags]
    command = [browser, *options, "--window-size=1200,800", "--dump-dom", probe.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True).stdout
    found = re.search(r'data-result="([^"]*)"', dom)
    assert found, dom[-2000:]
    return json.loads(unescape(found[1]))


def cassette(path: Path, count: int, *, changed: int = -1) -> Path:
    """Write a cassette of `count` publishes, of which number `changed` has another value, and one error."""
    entries = [
        publish(Envelope(f"topic{n % 3}", b"k%d" % n, b'{"id":%d}' % (n if n != changed else -n), {"h": HOSTILE}))
        for n in range(count)
    ]
    entries.append(Entry("rr", "std.msg.kafka.commit_v1", "p", b"{}", b"refused", err=9751))
    path.write_bytes(Cassette.from_entries(entries).to_bytes())
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page of a cassette of 30 entries."""
    cassette(tmp_path / "a.x07rr.bin", 30)
    assert x07("rr", "view", "a.x07rr.bin", cwd=tmp_path).returncode == 0
    return tmp_path / "a.html"


def test_entries_are_listed_decoded_and_found(page: Path) -> None:
    seen = browse(
        page,
        """
        const rows = () => [...document.querySelectorAll(".row")].map(row => row.textContent);
        result = {all: rows().length, count: count.textContent, scripts: document.querySelectorAll("img").length};
        await opened(() => document.querySelectorAll(".row")[4].click());
        result.details = document.querySelector("aside").textContent;
        const find = words => settled(() => { search.value = words; search.dispatchEvent(new Event("input")); });
        await find("k7 topic1");
        result.found = rows();
        await find("refused");
        result.errors = rows();
        result.colour = document.querySelector(".row span:nth-child(2)").style.color;
        """,
    )
    assert (seen["all"], seen["count"], seen["scripts"]) == (31, "31 of 31 entries", 0)
    assert "entry 4" in seen["details"]
    assert HOSTILE in seen["details"]
    assert re.search(r'"id": 4', seen["details"])
    assert len(seen["found"]) == 1
    assert "k7" in seen["found"][0]
    assert len(seen["errors"]) == 1
    assert seen["colour"] == "var(--error)"


def test_a_click_in_the_time_line_opens_the_entry_there(page: Path) -> None:
    seen = browse(
        page,
        """
        const pen = document.querySelector("canvas"), box = pen.getBoundingClientRect(), hit = [];
        const click = async (x, lane, wait = opened) => {
          const at = {clientX: x, clientY: box.top + 20 + lane * 20 + 10, bubbles: true};
          hit.push(document.elementFromPoint(at.clientX, at.clientY) === pen);
          await wait(() => pen.dispatchEvent(new MouseEvent("click", at)));
          const row = document.querySelector(".row.picked");
          return [document.querySelector("aside").textContent.slice(0, 9), row && row.textContent.slice(0, 2)];
        };
        result = {end: await click(box.right - 8, 3), start: await click(box.left + 8, 0), hit};
        await settled(() => { search.value = "topic1"; search.dispatchEvent(new Event("input")); });
        result.hidden = await click(box.right - 8, 3, act => act());
        const at = [(box.width - 8) * devicePixelRatio, 20 + 3 * 20 + 8];
        const edge = pen.getContext("2d").getImageData(...at, 1, 1).data[3];
        result.faint = edge > 0 && edge < 255;
        """,
    )
    assert seen["end"] == ["entry 30:", "30"]
    assert seen["start"] == ["entry 0: ", "0p"]
    assert seen["hit"] == [True, True, True]
    assert seen["hidden"] == ["entry 0: ", None]
    assert seen["faint"]


def test_light_and_dark(page: Path) -> None:
    colours = "const s = getComputedStyle(document.body); result = [s.backgroundColor, s.color]"
    light = browse(page, colours, "--blink-settings=preferredColorScheme=1")
    dark = browse(page, colours, "--blink-settings=preferredColorScheme=0")
    assert light == ["rgb(255, 255, 255)", "rgb(27, 31, 36)"]
    assert dark == ["rgb(20, 23, 27)", "rgb(230, 233, 237)"]


def test_ten_thousand_entries_cost_no_more_rows_than_are_visible(tmp_path: Path) -> None:
    cassette(tmp_path / "big.x07rr.bin", 10_000)
    assert x07("rr", "view", "big.x07rr.bin", cwd=tmp_path).returncode == 0
    seen = browse(
        tmp_path / "big.html",
        """
        const list = document.querySelector(".list");
        let most = 0;
        for (let top = 0; top < list.scrollHeight; top += 2400) {
          list.scrollTop = top; list.dispatchEvent(new Event("scroll"));
          most = Math.max(most, document.querySelectorAll(".row").length);
        }
        list.scrollTop = list.scrollHeight; list.dispatchEvent(new Event("scroll"));
        const last = [...document.querySelectorAll(".row")].at(-1).textContent;
        const pen = document.querySelector("canvas");
        const drawn = pen.getContext("2d").getImageData(0, 0, pen.width, pen.height).data.some(part => part);
        result = {most, last, drawn, height: list.scrollHeight};
        """,
    )
    assert seen["most"] < 100
    assert "10000" in seen["last"]
    assert seen["drawn"]
    assert seen["height"] >= 10_001 * 24


def test_a_delivery_and_what_it_caused_lead_to_each_other(tmp_path: Path) -> None:
    worker = REPOSITORY / "x07py/scaffold/templates/worker/dot_x07_rr/worker.x07rr.bin"
    shutil.copy(worker, tmp_path)
    assert x07("rr", "view", worker.name, cwd=tmp_path).returncode == 0
    seen = browse(
        tmp_path / "worker.html",
        """
        const aside = document.querySelector("aside"), link = () => aside.querySelector(".links button");
        const cells = row => [...row.children].map(one => one.textContent);
        result = {rows: [...document.querySelectorAll(".row")].map(cells)};
        await opened(() => document.querySelectorAll(".row")[4].click());
        result.there = link().textContent;
        result.fold = [aside.querySelector("details").open, aside.firstChild.textContent];
        await opened(() => link().click());
        result.back = [aside.firstChild.textContent, link().textContent];
        """,
    )
    assert seen["rows"][4][1:5] == ["deliver", "orders", "0", "1"]
    assert seen["rows"][4][6:] == ["bob", '{"id": 2, "urgent": true}', "acknowledged"]
    assert seen["there"] == "6 publish alerts"
    assert seen["fold"] == [False, "entry 4: deliver, acknowledged"]
    assert seen["back"] == ["entry 6: publish, confirmed", "4 deliver orders"]


def test_kinds_and_topics_are_hidden_by_the_legend(page: Path) -> None:
    seen = browse(
        page,
        """
        const button = (box, name) => document.querySelector(`${box} [data-name="${name}"]`), shown = [];
        const click = async (one, shift) => {
          await settled(() => one.dispatchEvent(new MouseEvent("click", {shiftKey: shift})));
          shown.push(parseInt(count.textContent));
        };
        await click(button("#kinds", "publish"));
        await click(button("#kinds", "publish"));
        await click(button("#names", "topic1"), true);
        await click(button("#names", "topic1"), true);
        await click(button("#names", "topic2"));
        result = {shown, kinds: [...document.querySelectorAll("#kinds button")].map(one => one.dataset.name),
          pressed: button("#names", "topic2").getAttribute("aria-pressed")};
        """,
    )
    assert seen == {"shown": [1, 31, 10, 31, 21], "kinds": ["publish", "error"], "pressed": "false"}


def test_a_page_is_smaller_than_its_cassette(tmp_path: Path) -> None:
    path = cassette(tmp_path / "big.x07rr.bin", 10_000)
    assert x07("rr", "view", "big.x07rr.bin", cwd=tmp_path).returncode == 0
    assert (tmp_path / "big.html").stat().st_size < path.stat().st_size / 2


def test_two_cassettes_side_by_side(tmp_path: Path) -> None:
    cassette(tmp_path / "old.x07rr.bin", 5)
    cassette(tmp_path / "new.x07rr.bin", 6, changed=2)
    done = x07(
        "rr", "view", "old.x07rr.bin", "--with", "new.x07rr.bin", "-o", "both.html", "--format", "json", cwd=tmp_path
    )
    report = json.loads(done.stdout)
    jsonschema.validate(report, load_schema("x07.rr.view.report"))
    seen = browse(
        tmp_path / "both.html",
        """
        result = {count: count.textContent, minus: document.querySelectorAll(".minus").length,
          details: document.querySelector("aside").textContent};
        """,
    )
    assert seen["count"] == "7 of 7 rows, 2 differ"
    assert seen["minus"] == 2
    assert "old.x07rr.bin" in seen["details"]
    assert '"id": -2' in seen["details"]


def test_what_cannot_be_written_is_said(page: Path) -> None:
    again = x07("rr", "view", "a.x07rr.bin", cwd=page.parent)
    assert again.returncode != 0
    assert "X07_RR_VIEW_EXISTS" in again.stderr
    assert x07("rr", "view", "a.x07rr.bin", "--force", cwd=page.parent).returncode == 0
    folder = x07("rr", "view", "a.x07rr.bin", "-o", "no/where.html", cwd=page.parent)
    assert "X07IO_WRITE" in folder.stderr
    missing = x07("rr", "view", "nothing.x07rr.bin", cwd=page.parent)
    assert "X07IO_MISSING" in missing.stderr


def test_the_terminal_shows_the_same(tmp_path: Path) -> None:
    cassette(tmp_path / "a.x07rr.bin", 30)
    drawn = x07("rr", "show", "a.x07rr.bin", "--timeline", "--search", "topic1", cwd=tmp_path).stdout.splitlines()
    assert drawn[0].split()[0] == "topic1"
    assert drawn[0].count("p") == 11
    assert drawn[1].split() == ["p", "publish"]
    assert len(drawn) == 12
    refused = x07("rr", "show", "a.x07rr.bin", "--search", "REFUSED", "--format", "json", cwd=tmp_path)
    report = json.loads(refused.stdout)
    jsonschema.validate(report, load_schema("x07.rr.show.report"))
    assert [entry["number"] for entry in report["entries"]] == [30]
    for name in ("metadata", "partition", "lane", "true"):
        assert x07("rr", "show", "a.x07rr.bin", "--search", name, cwd=tmp_path).stdout == ""
    assert x07("rr", "show", "a.x07rr.bin", "--search", "nothing like this", cwd=tmp_path).stdout == ""


def test_the_terminal_compares_too(tmp_path: Path) -> None:
    cassette(tmp_path / "old.x07rr.bin", 5)
    cassette(tmp_path / "new.x07rr.bin", 6, changed=2)
    shown = x07("rr", "show", "old.x07rr.bin", "--with", "new.x07rr.bin", cwd=tmp_path).stdout.splitlines()
    assert shown[-1] == "2 rows differ"
    assert [line for line in shown if " | " in line] == [shown[2], shown[5]]
    assert '{"id":2}' in shown[2]
    assert '{"id":-2}' in shown[2]
    found = x07("rr", "show", "old.x07rr.bin", "--with", "new.x07rr.bin", "--search", "k2", cwd=tmp_path).stdout
    assert found.splitlines()[-1] == "1 row differs"
    done = x07("rr", "show", "old.x07rr.bin", "--with", "new.x07rr.bin", "--format", "json", cwd=tmp_path)
    jsonschema.validate(json.loads(done.stdout), load_schema("x07.rr.diff.report"))
    assert done.returncode == 1


def test_a_kept_history_shows_its_lives_its_faults_and_what_is_wrong(project: Path) -> None:
    order, result = explored(project, BUGS["keeps state in memory"], 400)
    kept = keep(project, schedule_of(order, result.found[0]), result.found[0])
    assert x07("rr", "view", str(kept), "-o", "history.html", cwd=project).returncode == 0
    seen = browse(
        project / "history.html",
        """
        const texts = selector => [...document.querySelectorAll(selector)].map(one => one.textContent);
        result = {lanes: texts("#names button"), kinds: texts("#kinds button"), rows: texts(".row")};
        result.died = [...lives.values()].map(one => one.died);
        const pen = canvas.getContext("2d"), ratio = devicePixelRatio;
        const alpha = (index, lane, up) => {
          const x = place(index + .5, canvas.clientWidth), y = TOP + laneOf.get(lane) * LANE + 10 - up;
          return pen.getImageData(x * ratio, y * ratio, 1, 1).data[3];
        };
        const middle = Math.floor((lives.get("a.1").first + lives.get("a.1").last) / 2);
        result.bar = [alpha(middle, "a.1", 4), alpha(middle, "a.2", 4)];
        await opened(() => document.querySelectorAll(".row")[faults[0]].click());
        result.fault = document.querySelector("aside").textContent;
        """,
    )
    assert seen["lanes"] == ["a.1", "a.2", "finding", "orders@g", "out"]
    assert {"life", "fault"} <= {*seen["kinds"]}
    assert seen["died"] == [True, False]
    assert "is missing" in seen["rows"][0]
    assert any("publish" in row and row.endswith("by a.1") for row in seen["rows"])
    assert (seen["bar"][0] > 0, seen["bar"][1]) == (True, 0)
    assert "the process dies" in seen["fault"]
    line = x07("rr", "show", str(kept), "--timeline", cwd=project).stdout
    assert re.search(r"^a\.1 +[^\n]*L[^\n]*X[^\n]*L", line, re.MULTILINE)
    assert "crash" in x07("rr", "show", str(kept), "--search", "dead memory", cwd=project).stdout
