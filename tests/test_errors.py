"""Each failure has a class, each number belongs to one, and nothing in the source decides by number."""

from __future__ import annotations

import ast
import importlib
import pickle
from functools import cache
from pathlib import Path

import pytest

import x07py
from x07py import errors
from x07py.errors import CassetteError, DriverError, X07Error, error_of

SOURCE = Path(x07py.__file__).parent
CLASSES = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, X07Error)}
OWNERS = {code: kind for kind in CLASSES.values() for code in vars(kind).get("codes", ())}
RETRYABLE = {"UnreachableError", "PublishRefusedError", "ConfirmTimeoutError", "LagUnknownError", "NoAnswerError"}


@cache
def calls_and_comparisons() -> list[tuple[str, ast.Call | ast.Compare]]:
    """What the source calls and compares, each with its file."""
    return [
        (str(path.relative_to(SOURCE)), node)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call | ast.Compare)
    ]


def test_a_number_belongs_to_one_class() -> None:
    assert len(OWNERS) == sum(len(vars(kind).get("codes", ())) for kind in CLASSES.values())


def test_an_error_is_raised_as_the_class_of_its_number() -> None:
    wrong = []
    for path, node in calls_and_comparisons():
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
            continue
        named = CLASSES.get(node.func.id)
        code = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if named is None or not isinstance(code, int):
            continue
        if OWNERS.get(code, named) is not named or (named.codes and code not in named.codes):
            wrong.append(f"{path}:{node.lineno} raises {code} as {named.__name__}")
    assert wrong == []


def test_nothing_decides_by_the_number_of_an_error() -> None:
    found = []
    for path, node in calls_and_comparisons():
        if not isinstance(node, ast.Compare) or not isinstance(node.left, ast.Attribute):
            continue
        numbers = any(isinstance(one, ast.Constant) and isinstance(one.value, int) for one in ast.walk(node))
        if node.left.attr == "code" and getattr(node.left.value, "id", "") == "error" and numbers:
            found.append(f"{path}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("code", sorted(OWNERS))
def test_a_recorded_number_comes_back_as_its_class(code: int) -> None:
    error = error_of(code, "it failed", where="here", hint="do this")
    assert type(error) is OWNERS[code]
    assert error.retryable is (type(error).__name__ in RETRYABLE)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, str(again), again.hint) == (
        type(error),
        code,
        f"[{code}] it failed (here)",
        "do this",
    )


def test_a_number_of_no_class_is_an_error_of_its_kind() -> None:
    assert type(error_of(2000, "x")) is CassetteError
    assert type(error_of(9610, "x")) is DriverError


def test_the_face_shows_the_public_names() -> None:
    assert dir(x07py) == sorted(x07py.__all__)
    assert set(CLASSES) | {"Driver", "Delivery", "Envelope", "open_driver", "pump", "use_cassette", "budget"} <= set(
        dir(x07py)
    )
    for name in dir(x07py):
        assert getattr(x07py, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = x07py.Nothing


def test_no_class_of_a_failure_has_the_name_of_one_of_the_clients() -> None:
    for client in ("confluent_kafka", "aiormq", "aio_pika"):
        module = importlib.import_module(client)
        assert CLASSES.keys() & set(dir(module)) == set(), client
