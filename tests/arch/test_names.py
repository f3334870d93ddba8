"""Topics, queues and profiles in code against the contracts: which calls count, and how constants are followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.test_contracts import MSG, TOPOLOGY, put
from tests.arch.trees import CONTRACTS, contracts_project, edit, manifest, node, run, write

HEAD = (
    "from x07py import Envelope, PumpOptions, open_driver, pump\nimport x07py.msg\nfrom b import GONE, GOOD\nimport b\n"
)
OTHER = "import x07py\nGOOD = 'orders'\nGONE = 'ordrs'\n"
FOUND = {
    "a topic": "Envelope('ordrs')",
    "by its name": "Envelope(topic='ordrs')",
    "through the module": "x07py.msg.Envelope('ordrs')",
    "a constant": "NAME = 'ordrs'\nEnvelope(NAME)",
    "a constant of another module": "Envelope(GONE)",
    "a constant through its module": "Envelope(b.GONE)",
    "a source": "driver.consume(['orders', 'ordrs'])",
    "what is pumped": "pump(driver, handler, topics=('ordrs',))",
    "a dead letter": "PumpOptions(dead_letter='ordrs')",
}
FINE = {
    "a topic": "Envelope('orders')",
    "a queue": "driver.consume(['x07'])",
    "a bound key": "Envelope('audit.eu')",
    "a constant of another module": "Envelope(GOOD)",
    "what only a run tells": "def f(name): Envelope(name); Envelope('a' + name); driver.consume(names)",
    "another Envelope": "from b import Envelope\nEnvelope('ordrs')",
    "a constant that changes": "NAME = 'ordrs'\nNAME = 'orders'\nEnvelope(NAME)",
}


def project(root: Path, text: str) -> Path:
    contracts_project(root)
    edit(root, TOPOLOGY, put("bindings", 0, "routing_key", "audit.*"))
    outside = {"allowed_import_prefixes": ["x07py"], "allowed_exact": []}
    document = manifest(node("a"), node("b"), contracts_v1=CONTRACTS, externals=outside)
    return write(root, document, {"a.py": HEAD + text + "\n", "b.py": OTHER})


@pytest.mark.parametrize("case", FOUND)
def test_a_name_that_no_contract_has(case: str, tmp_path: Path) -> None:
    (row,) = [row for row in run(project(tmp_path, FOUND[case])).findings if row.code == "E_ARCH_MSG_TOPIC_UNKNOWN"]
    assert row.path == "a.py"
    assert "did you mean 'orders'?" in str(row.hint)


@pytest.mark.parametrize("case", FINE)
def test_what_is_no_finding(case: str, tmp_path: Path) -> None:
    assert [row for row in run(project(tmp_path, FINE[case])).findings if "UNKNOWN" in row.code] == []


def test_one_cause_is_one_finding(tmp_path: Path) -> None:
    root = project(tmp_path, "Envelope('ordrs')\nEnvelope('ordrs')\n\nEnvelope('ordrs')")
    (row,) = [row for row in run(root).findings if "UNKNOWN" in row.code]
    assert (row.line, row.notes) == (5, ("also in line 6, 8",))
    (root / MSG).write_text("{}")
    assert [row for row in run(root).findings if "UNKNOWN" in row.code] == []
