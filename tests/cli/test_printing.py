"""Nothing that a file of a change holds reaches a terminal or the log of a workflow as anything but text."""

from __future__ import annotations

import base64
import html.parser
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rr.builders import entry, framed
from tests.support.project import x07, x07_here
from x07py.diag import Diagnostic, github_lines
from x07py.errors import X07Error
from x07py.msg import Envelope
from x07py.printing import escaped, html_data, json_text, terminal
from x07py.rr import Cassette
from x07py.rr.view import page

EVIL = "a\n::error file=x::PWN\r\x1b]0;title\x07\x9b31m\u202eltr\u2066 ##[add-mask]b\x7f ##vso[a]c ##teamcity[d]"
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def is_plain(text: str) -> None:
    """Hold that a text neither steers a terminal nor commands a runner."""
    assert not RAW.search(text), RAW.findall(text)[:5]
    assert not re.search(r"^\s*::", text, re.MULTILINE), text
    assert not re.search(r"##[a-zA-Z]*\[", text), text


@given(st.text())
def test_whatever_is_printed_is_plain(text: str) -> None:
    is_plain(terminal(text))
    is_plain(escaped(text))
    is_plain(str(X07Error(1, text, where=text)))
    assert escaped(text).isprintable()
    assert json.loads(json_text([text], indent=None)) == [text]
    assert not RAW.search(json_text({text: text}))
    assert "<" not in html_data([text])


def test_plain_text_stays() -> None:
    for text in ("a b\n\tc", "größe → 12 €", "std::vector", "日本語", ""):
        assert terminal(text) == text


def test_an_annotation_is_one_line_of_its_own() -> None:
    row = Diagnostic("E_ARCH_X", "error", EVIL, path=EVIL, line=1, hint=EVIL, notes=(EVIL,))
    (line,) = github_lines(row, each=False)
    assert line.startswith("::error file=")
    assert not RAW.search(line)
    assert "\n" not in line


def hostile(folder: Path) -> list[str]:
    """Write cassettes that hold what is printed raw nowhere, and return their names."""
    (folder / ".x07_rr").mkdir(exist_ok=True)
    names = []
    deep = "[" * 60_000 + "]" * 60_000
    mild: dict[str, Any] = {
        "req": Envelope(EVIL, b"k", b"v", {EVIL.encode("ascii", "ignore").decode(): EVIL}).encode(),
        "resp": EVIL.encode(),
    }
    metas = {
        "plain": "{}",
        "deep": deep,
        "nan": '{"a":NaN,"b":Infinity}',
        "keys": json.dumps({EVIL: {EVIL: EVIL}}),
        "half": '{"a":"\\ud800"}',
        "nested": '{"a":' * 500 + "1" + "}" * 500,
    }
    for name, meta in metas.items():
        one = entry(kind="rr", op=EVIL, key=EVIL, scope=EVIL, meta=meta, **mild)
        path = folder / ".x07_rr" / f"{name}.x07rr.bin"
        path.write_bytes(framed(one))
        names.append(path.name)
    bytes_ = bytearray(framed(entry(meta='{"a":"xxxx"}')))
    at = bytes_.index(b"xxxx")
    bytes_[at : at + 4] = b"\xff\xfe\x80\xc3"
    (folder / ".x07_rr" / "bytes.x07rr.bin").write_bytes(bytes_)
    return [*names, "bytes.x07rr.bin"]


def test_no_command_about_cassettes_prints_raw(tmp_path: Path) -> None:
    names = hostile(tmp_path)
    commands = [("rr", "list"), ("rr", "diff", names[0], names[3]), ("rr", "show", "--with", names[3], names[0])]
    for name in names:
        commands += [("rr", "show", "-n", "0", name), ("rr", "show", "--timeline", name), ("rr", "stats", name)]
        commands += [("rr", "text", name), ("rr", "show", "--format", "json", name), ("rr", "verify", name)]
        commands += [("rr", "view", name, "-o", f"{name}.html")]
    for command in commands:
        done = x07_here(*command, cwd=tmp_path)
        is_plain(done.stdout + done.stderr)
        assert "X07_INTERNAL" not in done.stderr, (command, done.stderr)
        if "json" in command and done.returncode == 0:
            json.loads(done.stdout, parse_constant=pytest.fail)
    for name in names:
        read = Page(tmp_path / f"{name}.html")
        (side,) = read.data["sides"]
        assert side["count"]
        assert not RAW.search(read.text)
        for packed in (side["columns"], *side["pages"]):
            assert not RAW.search(zlib.decompress(base64.b64decode(packed)).decode())


class Page(html.parser.HTMLParser):
    """A page as a browser reads it: its data, its policy."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.policy, self._in, self._data = "", "", ""
        self.feed(self.text)
        self.data = json.loads(self._data, parse_constant=pytest.fail)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._in = tag if named.get("id") == "data" else ""
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_data(self, data: str) -> None:
        self._data += data if self._in else ""
        self._in = ""


def test_a_page_runs_its_own_script_alone(tmp_path: Path) -> None:
    import base64
    import hashlib

    path = tmp_path / "page.html"
    found = Cassette.from_entries([entry(scope="</script><script>alert(1)</script>")])
    path.write_text("".join(page("<script>x</script>", found)))
    read = Page(path)
    script = read.text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in read.policy
    assert "default-src 'none'" in read.policy
    assert read.text.count("<script") == 2


def test_the_check_prints_no_name_of_a_file_raw(tmp_path: Path) -> None:
    (tmp_path / "arch").mkdir()
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("import json\n")
    for name in ("a\n::error file=x::PWN\x1b]0;T\x07", "b\u202e", "c\x9b31m"):
        (tmp_path / "pkg" / f"{name}.py").write_text("import socket\n")
    assert x07("arch", "init", cwd=tmp_path).returncode == 0
    for form in ("text", "json", "github", "sarif"):
        done = x07_here("arch", "check", "--format", form, cwd=tmp_path)
        own = "\n".join(
            line for line in done.stdout.splitlines() if not line.startswith(("::error file=", "::warning"))
        )
        is_plain(own + done.stderr)
        assert not RAW.search(done.stdout)
        assert "X07_INTERNAL" not in done.stderr
