"""Each sentence of the threat model has a test, which is there."""

from __future__ import annotations

import re

from tests.support.project import REPOSITORY

PAGE = REPOSITORY / "docs" / "explanation" / "threat-model.md"


def test_every_sentence_has_its_test() -> None:
    rows = re.findall(r"^\| (.+\.) \| `([^`]+)::(\w+)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    table = PAGE.read_text(encoding="utf-8").partition("## What holds")[2].partition("## What does not hold")[0]
    assert len(rows) == sum(line.startswith("| ") for line in table.splitlines()) - 1 >= 15
    for sentence, file, name in rows:
        assert f"def {name}(" in (REPOSITORY / "tests" / file).read_text(encoding="utf-8"), sentence
