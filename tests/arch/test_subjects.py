"""Pinned schemas under `x07 arch check`: each is read, and versions are held to their subject's compatibility."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from tests.arch.trees import CONTRACTS, manifest, node, run, write
from tests.serialization.messages import file, message, schema
from tests.support.project import EXAMPLE
from x07py.contracts.subjects import read_subjects
from x07py.drivers.subjects import _with_references
from x07py.errors import ContractError, SchemaError

FOLDER = "arch/msg/schemas"
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


def described(*made: Any) -> bytes:
    """The bytes that protoc writes of these files."""
    data: bytes = descriptor_pb2.FileDescriptorSet(file=made).SerializeToString()
    return data


def put(root: Path, *subjects: dict[str, Any]) -> Path:
    """Pin subjects, whose ``versions`` are what stands in their files, perhaps with references."""
    shutil.copytree(EXAMPLE / "arch", root / "arch")
    (root / FOLDER).mkdir()
    for subject in subjects:
        rows = []
        for number, (content, *references) in enumerate(subject["versions"], 1):
            path = f"{FOLDER}/{subject['subject']}.{number}"
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            (root / path).write_bytes(data)
            rows.append({"version": number, "path": path, "references": references})
        subject["versions"] = rows
    index = {"schema_version": "x07py.arch.msg.subjects@0.1.0", "subjects": list(subjects)}
    (root / FOLDER / "subjects.json").write_text(json.dumps(index))
    return write(root, manifest(node("a"), contracts_v1=CONTRACTS), {"a.py": ""})


def found(root: Path) -> list[tuple[str, str]]:
    return [(row.code, row.message) for row in run(root, write_lock=True).findings if "SUBJECT" in row.code]


def subject(name: str, kind: str, *versions: Any, **more: Any) -> dict[str, Any]:
    return {
        "subject": name,
        "kind": kind,
        "versions": [one if isinstance(one, tuple) else (one,) for one in versions],
        **more,
    }


def test_versions_of_each_kind(tmp_path: Path) -> None:
    one, two = message("M", ("a", 1, "string")), message("M", ("a", 1, "int32"))
    root = put(
        tmp_path,
        subject("good-value", "avro", "int", "long"),
        subject("bad-value", "avro", "long", "int"),
        subject("json-value", "json", CLOSED, {**CLOSED, "required": ["a"]}),
        subject("messages-value", "protobuf", described(file(one)), described(file(two))),
    )
    codes, texts = zip(*found(root), strict=True)
    assert set(codes) == {"E_ARCH_MSG_SUBJECT_INCOMPATIBLE"}
    assert [text.partition(":")[0] for text in texts] == [
        f"version 2 of '{name}-value' cannot read what version 1 wrote" for name in ("bad", "json", "messages")
    ]
    assert "number 1 was string and is int32" in texts[2]


@pytest.mark.parametrize(
    ("level", "pairs"),
    [("backward", [(2, 1)]), ("forward", []), ("full", [(2, 1)]), ("none", []), ("full_transitive", [(2, 1), (3, 1)])],
)
def test_a_subject_says_what_it_is_held_to(tmp_path: Path, level: str, pairs: list[tuple[int, int]]) -> None:
    versions: list[Any] = [{"enum": [1, 2]}, {"enum": [1]}, {"enum": [1]}]
    root = put(tmp_path, subject("a-value", "json", *versions, compatibility=level))
    wrong = [row for row in run(root).findings if row.code == "E_ARCH_MSG_SUBJECT_INCOMPATIBLE"]
    assert [(row.data["reader"], row.data["writer"]) for row in wrong] == pairs


def test_references_lead_to_other_subjects(tmp_path: Path) -> None:
    money = {"type": "record", "name": "Money", "fields": [{"name": "cents", "type": "int"}]}
    wider = {**money, "fields": [{"name": "cents", "type": "long"}]}
    refer = [{"name": "Money", "subject": "money", "version": number} for number in (1, 2)]
    bills = [({"type": "array", "items": "Money"}, one) for one in refer]
    root = put(tmp_path, subject("bills-value", "avro", *reversed(bills)), subject("money", "avro", money, wider))
    [(code, text)] = found(root)
    assert code == "E_ARCH_MSG_SUBJECT_INCOMPATIBLE"
    assert "version 2 of 'bills-value'" in text
    pinned = read_subjects(root)["bills-value"].versions
    texts = [dict(one.schema.references)["Money"].text for one in pinned.values()]
    assert texts == [json.dumps(wider), json.dumps(money)]


def test_a_schema_that_refers_to_itself_is_told(tmp_path: Path) -> None:
    root = put(tmp_path, subject("a", "avro", ("int", {"name": "a", "subject": "a", "version": 1})))
    assert found(root) == [("E_ARCH_MSG_SUBJECTS", "version 1 of 'a' refers to itself")]
    with pytest.raises(ContractError, match="9599"):
        read_subjects(root)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("avro", {"type": "recrod"}),
        ("json", {"type": 5}),
        ("protobuf", b"\xff"),
        ("protobuf", described()),
        ("json", b"\xff"),
    ],
)
def test_what_is_no_schema_of_its_kind(tmp_path: Path, kind: str, content: Any) -> None:
    assert [code for code, _ in found(put(tmp_path, subject("a-value", kind, content)))] == [
        "E_ARCH_MSG_SUBJECT_SCHEMA"
    ]


def test_a_changed_schema_is_seen_by_the_lock(tmp_path: Path) -> None:
    root = put(tmp_path, subject("a-value", "avro", "int"))
    assert run(root, write_lock=True).findings == []
    (root / FOLDER / "a-value.1").write_text('"long"')
    assert [row.code for row in run(root).findings] == ["E_ARCH_CONTRACTS_LOCK_MISMATCH"]
    (root / FOLDER / "a-value.1").unlink()
    assert "E_ARCH_MSG_SUBJECT_SCHEMA" in [row.code for row in run(root).findings]
    with pytest.raises(ContractError, match="9599"):
        read_subjects(root)


def test_what_protoc_writes_is_read_as_the_registry_has_it(tmp_path: Path) -> None:
    made = file(message("Order", ("ship_to", 1, "string")))
    named = descriptor_pb2.FileDescriptorProto.FromString(made.SerializeToString())
    named.message_type[0].field[0].json_name = "shipTo"
    root = put(tmp_path, subject("a-value", "protobuf", described(named)), subject("b-value", "protobuf", b"\xff"))
    with pytest.raises(SchemaError, match="9598"):
        read_subjects(root)
    (root / FOLDER / "b-value.1").write_bytes(described(made))
    texts = {one.versions[1].schema.text for one in read_subjects(root).values()}
    assert texts == {schema(made).text} == {base64.b64encode(made.SerializeToString()).decode()}


def chain(length: int, *names: str) -> dict[str, Any]:
    """A subject of which each version refers to the one before, by each name."""
    rows = [
        ("string", *({"name": f"{n}{number}", "subject": "chain", "version": number} for n in names))
        for number in range(1, length)
    ]
    return subject("chain", "avro", "string", *rows, compatibility="none")


def test_references_that_meet_again_are_looked_at_once(tmp_path: Path) -> None:
    root = put(tmp_path, chain(60, "a", "b"))
    assert found(root) == []
    pinned = read_subjects(root)
    assert _with_references(["chain"], pinned) == [("chain", number) for number in range(1, 61)]


def test_references_in_a_row_come_to_an_end(tmp_path: Path) -> None:
    apart = [
        subject(f"s{n}", "avro", ("string", {"name": "a", "subject": f"s{n + 1}", "version": 1})) for n in range(100)
    ]
    root = put(tmp_path, *apart, subject("s100", "avro", "string"))
    assert ("E_ARCH_MSG_SUBJECTS", True) in {(code, "100 references in a row" in text) for code, text in found(root)}
    with pytest.raises(ContractError, match=r"9599.*in a row"):
        read_subjects(root)


def test_a_subject_has_at_most_100_versions(tmp_path: Path) -> None:
    root = put(tmp_path, chain(101))
    assert [code for code, _ in found(root)] == ["E_ARCH_MSG_SUBJECTS"]
    with pytest.raises(ContractError, match="9599"):
        read_subjects(root)


def test_comparisons_that_take_too_long_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("x07py.arch.contracts_checks.subjects.PATIENCE_S", 0.0)
    many = subject("a", "avro", *("int" for _ in range(4)), compatibility="full_transitive")
    root = put(tmp_path, many, subject("b", "avro", "int", "string"))
    [(code, first), (_, second)] = found(root)
    assert code == "E_ARCH_MSG_SUBJECT_INCOMPATIBLE"
    assert (
        first
        == "'a' is not shown to be full_transitive: 1 of 12 comparisons took the 0 s that a project's schemas have"
    )
    assert "version 2 of 'b' cannot read" in second
