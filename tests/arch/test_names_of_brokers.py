"""Drivers are plug-ins: no code of the rooms that serve all of them names a broker. Docstrings and comments may."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY

ROOMS = ("arch", "contracts", "msg", "run", "cli/kubernetes.py")
"""Below x07py: whole rooms, and single files of rooms where others name brokers."""
_BROKER = re.compile(r"kafka|amqp|rabbit|redis|aio_?pika|aiormq", re.IGNORECASE)
_DATA = {".json", ".toml", ".tmpl"}
STAY: dict[str, str] = {}
"""Files that name a broker for good, and why."""


def names(path: Path) -> Iterator[str]:
    """Yield each identifier and text of a module that names a broker, with its line; what stands alone is no code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for value in [value for _, value in ast.iter_fields(node)] if id(node) not in remarks else []:
            texts = value if isinstance(value, list) else [value]
            for text in texts:
                found = text.decode("latin-1") if isinstance(text, bytes) else text
                if isinstance(found, str) and _BROKER.search(found):
                    yield f"{getattr(node, 'lineno', 0)}: {found}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_code_of_a_room_for_all_brokers_names_one(room: str) -> None:
    found = {}
    whole = REPOSITORY / "x07py" / room
    assert whole.exists()
    for path in sorted(whole.rglob("*")) if whole.is_dir() else [whole]:
        place = path.relative_to(REPOSITORY / "x07py").as_posix()
        if _BROKER.search(path.stem):
            found[place] = ["the file's name"]
        elif path.suffix == ".py":
            found[place] = list(names(path))
        elif path.suffix in _DATA:
            found[place] = _BROKER.findall(path.read_text(encoding="utf-8"))
    named = {place: rows for place, rows in found.items() if rows}
    kept = {place for place in STAY if place.partition("/")[0] == room}
    assert named.keys() == kept, {place: rows for place, rows in named.items() if place not in STAY}


def test_the_search_sees_what_code_names_and_nothing_else(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""Of Kafka."""\n\n\ndef f(kafka):  # AMQP\n    """As AMQP."""\n'
        '    return g("amqp", x.rabbit, redis=b"aio_pika")\n'
    )
    assert sorted(row.partition(": ")[2] for row in names(module)) == ["aio_pika", "amqp", "kafka", "rabbit", "redis"]
