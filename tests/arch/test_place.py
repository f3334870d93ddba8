"""A finding about a JSON file stands where the value that it is about begins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.arch.trees import contracts_project, edit, manifest, node, run, write
from x07py.arch.place import escaped, offset_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


def pointers(document: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    yield above, document
    if isinstance(document, dict):
        for name, value in document.items():
            yield from pointers(value, f"{above}/{escaped(name)}")
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from pointers(value, f"{above}/{number}")


@given(JSON, st.sampled_from([None, 0, 3]), st.booleans())
def test_every_value_is_found(document: Any, indent: int | None, ascii_only: bool) -> None:
    text = "\n " + json.dumps(document, indent=indent, ensure_ascii=ascii_only) + "\n"
    for pointer, value in pointers(document):
        assert json.JSONDecoder().raw_decode(text, offset_of(text, pointer))[0] == value


def test_of_what_is_not_there_the_place_around_it() -> None:
    assert offset_of('{"a": {"b": 1}}', "/a/c/d") == 6
    assert offset_of('{"a": [1, 2]}', "/a/7") == 6
    assert offset_of('{"a": 1}', "/a/b") == 6


@pytest.mark.parametrize("text", ["", "{", '{"a"', '{"a": nul}', "[1,"])
def test_a_text_that_changed_since(text: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        offset_of(text, "/b")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a rule": ({"rules": [{"kind": "layers_v1", "id": "r", "layers": ["a", "bb"], "direction": "down"}]}, '"bb"'),
    "visible_to": ({"nodes": [node("a", visibility={"mode": "restricted", "visible_to": ["bb"]})]}, '"bb"'),
    "an id that stands twice": ({"nodes": [node("a"), node("a", world="solve-fs")]}, '"a"'),
    "a field": ({"repo": {"id": "t", "root": 7}}, "7"),
    "a prefix": ({"nodes": [node("a", match={"module_prefixes": ["a", "bb"], "path_globs": []})]}, '"bb"'),
    "a glob": ({"nodes": [node("a", match={"module_prefixes": ["a"], "path_globs": ["b/*"]})]}, '"b/*"'),
    "a denied name": (
        {"nodes": [node("a", imports={"deny_prefixes": ["sockett"], "allow_prefixes": []})]},
        '"sockett"',
    ),
    "an allowed name": ({"externals": {"allowed_import_prefixes": [], "allowed_exact": ["bb"]}}, '"bb"'),
    "a smoke entry": ({"nodes": [node("a", contracts={"smoke_entry": "bb"})]}, '"bb"'),
    "a node without names": ({"nodes": [node("a"), node("b", match={"module_prefixes": [], "path_globs": []})]}, "{"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_finding_shows_the_line_of_the_manifest(wrong: str, tmp_path: Path) -> None:
    changes, value = WRONG[wrong]
    text = json.dumps({**manifest(node("a")), **changes}, indent=1)
    (row,) = run(write(tmp_path, text, {"a.py": ""})).findings
    assert row.line is not None
    assert row.column is not None
    assert row.source == text.splitlines()[row.line - 1]
    assert row.source[row.column - 1 :].rstrip(",") == value


def test_a_long_line_is_cut_around_the_column(tmp_path: Path) -> None:
    (row,) = run(
        write(
            tmp_path,
            manifest(node("a"), externals={"allowed_import_prefixes": ["b"], "allowed_exact": []}),
            {"a.py": ""},
        )
    ).findings
    assert row.line == 1
    assert row.source is not None
    assert '"allowed_import_prefixes": ["b"]' in row.source
    assert len(row.source) < 170


def test_a_contract_too(tmp_path: Path) -> None:
    root = contracts_project(tmp_path)
    path = root / "arch/msg/index.x07msg.json"
    path.write_text(path.read_text().replace('"schema_version"', '"extra": 1,\n  "schema_version"', 1))
    (row,) = [row for row in run(root).findings if row.path == "arch/msg/index.x07msg.json"]
    assert (row.location(), row.source) == ("arch/msg/index.x07msg.json:1:1", None)
    profile = "arch/msg/kafka/profiles/local_dev_v1.kafka.json"
    edit(root, profile, lambda document: document.update(bootstrap=["user:word@localhost:9092"]))
    (row,) = [row for row in run(root).findings if row.code == "E_ARCH_SECRET_IN_CONTRACT"]
    assert row.column is not None
    assert (root / profile).read_text()[row.column - 1 :].startswith('"user:word@')
    assert row.source is None


def test_a_line_with_a_password_is_not_shown_for_another_finding_either(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": "u = 'amqp://me:s3cr3t@mq.corp/'; import numpy\n"})
    rows = run(tmp_path).findings
    assert [(row.line, row.source) for row in rows] == [(1, None)] * 2
