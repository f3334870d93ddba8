"""Every code that the source raises stands in the table, and the table holds no code that nothing raises."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import x07py
from x07py.codes import all_codes

SOURCE = Path(x07py.__file__).parent
PREFIXES = ("E_ARCH_", "W_ARCH_", "X07PKG_", "X07RUN_", "X07IO_", "X07_", "X07RR_", "X07MSG_", "X07BROKER_")


def raised_codes() -> dict[str, str]:
    """Return each code that appears in the source, with the first place it stands."""
    found: dict[str, str] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if not (name.endswith(("Error", "Mismatch", "Diagnostic")) or name in {"finding", "error"}):
                continue
            values = [*node.args[:1], *(kw.value for kw in node.keywords if kw.arg == "code")]
            for value in values:
                code = value.value if isinstance(value, ast.Constant) else None
                if (isinstance(code, int) and code >= 2000) or (isinstance(code, str) and code.startswith(PREFIXES)):
                    found.setdefault(str(code), f"{path.relative_to(SOURCE)}:{node.lineno}")
    return found


def test_every_raised_code_is_listed() -> None:
    raised = raised_codes()
    assert len(raised) > 3
    missing = {code: place for code, place in raised.items() if code not in all_codes()}
    assert missing == {}


@pytest.mark.parametrize("entry", all_codes().values(), ids=lambda entry: entry.id)
def test_an_entry_says_why_and_what_to_do(entry: object) -> None:
    for field in ("title", "why", "fix"):
        assert len(getattr(entry, field)) > 8, field
