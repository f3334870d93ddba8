"""Documents of the kinds that AsyncAPI's own repository shows, of versions 2 and 3: in, out, and in again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.asyncapi.test_asyncapi import SCHEMA
from x07py.arch.check import Request, check
from x07py.arch.project import MANIFEST_PATH
from x07py.asyncapi import asyncapi_document, load_asyncapi, write_contracts
from x07py.drivers.kafka_contract import read_profile

DOCUMENTS = Path(__file__).with_name("documents")
NAMES = sorted(path.name for path in DOCUMENTS.glob("*.yml"))
LEFT_OUT = {
    "adeo-kafka-request-reply.yml": "avro",
    "application-headers.yml": "server production, mqtt at test.mosquitto.org:1883",
    "gitter-streaming.yml": "server production, https at stream.gitter.im",
    "operation-security.yml": "the security of operation sendAuthRevoked",
    "rpc-client.yml": "queue {queue}, which is made at run time",
    "rpc-server.yml": "what parameter queue may be besides its values (pattern)",
    "slack-rtm.yml": "server production, https at slack.com",
    "social-media-backend.yml": "server website, ws at mycompany.com",
    "streetlights-kafka-v2.yml": "security unknown of server tokens",
    "websocket-gemini.yml": "server public, wss at api.gemini.com",
}
IN_CLEAR = {"adeo-kafka-request-reply.yml"}
"""It logs in without TLS at another machine: its contracts are written, and the check says so."""


def taken(name: str, root: Path) -> tuple[dict[str, Any], list[str]]:
    """Take a document over into an empty project, and return the catalogue of topics, and what was left out."""
    root.mkdir()
    shutil.copytree(DOCUMENTS, root / "docs")
    starter, notes = load_asyncapi(root / "docs" / name, root)
    write_contracts(root, starter)
    found: dict[str, Any] = json.loads((root / "arch/msg/index.x07msg.json").read_text(encoding="utf-8"))
    return found, notes


@pytest.mark.parametrize("name", NAMES)
def test_a_document_becomes_contracts_and_comes_back_the_same(name: str, tmp_path: Path) -> None:
    index, notes = taken(name, tmp_path / "one")
    assert LEFT_OUT.get(name, "") in "\n".join(notes)
    found = {row.code for row in check(Request(tmp_path / "one", MANIFEST_PATH)).findings}
    assert found == ({"E_ARCH_MSG_CLEARTEXT", "W_ARCH_CONTRACTS_LOCK_MISSING"} if name in IN_CLEAR else set())
    document = asyncapi_document(tmp_path / "one", title="A", version="1")
    assert [fault.message for fault in SCHEMA.iter_errors(document)] == []
    (tmp_path / "two").mkdir()
    (tmp_path / "two/api.json").write_text(json.dumps(document))
    starter, left = load_asyncapi(tmp_path / "two/api.json", tmp_path / "two")
    assert left == []
    write_contracts(tmp_path / "two", starter)
    files = {path.relative_to(tmp_path / "one/arch"): path for path in (tmp_path / "one/arch/msg").rglob("*.json")}
    assert json.loads((tmp_path / "two/arch/msg/index.x07msg.json").read_text()) == index
    for place, path in files.items():
        assert json.loads((tmp_path / "two/arch" / place).read_text()) == json.loads(path.read_text())
    for row in index["topics"]:
        assert row["messages"] or row["operations"]


def test_the_documents_are_of_both_versions() -> None:
    versions = [(DOCUMENTS / name).read_text(encoding="utf-8").partition("\n")[0] for name in NAMES]
    assert len(NAMES) >= 24
    assert {line.split()[1] for line in versions} == {"2.0.0", "2.4.0", "2.6.0", "3.0.0"}


def test_version_2_says_who_sends_and_receives(tmp_path: Path) -> None:
    """There ``publish`` is what others send to the application; enums of parameters stand in their schemas."""
    index, _ = taken("streetlights-kafka-v2.yml", tmp_path / "one")
    measured, turn = sorted(index["topics"], key=lambda row: str(row["id"]), reverse=True)
    assert measured["operations"] == [{"id": "receiveLightMeasurement", "action": "receive"}]
    assert turn["operations"] == [{"id": "turn", "action": "send"}]
    assert turn["parameters"]["state"] == {"default": "on", "enum": ["on", "off"]}
    (message,) = measured["messages"]
    for part, wrong in (("payload_path", {"lumens": "x"}), ("headers_path", {"my-app-header": "x"})):
        schema = json.loads((tmp_path / "one" / message[part]).read_text())
        assert not Draft7Validator(schema).is_valid(wrong)
    profile = read_profile(tmp_path / "one", "scram")
    assert profile.bootstrap == ("test.mykafkacluster.org:18092",)
    assert (profile.sasl_mode, profile.tls) == ("scram_sha256_v1", True)


def test_scopes_of_version_2_are_those_that_a_server_asks_for(tmp_path: Path) -> None:
    taken("operation-security.yml", tmp_path / "one")
    profile = read_profile(tmp_path / "one", "production")
    assert profile.sasl_mode == "oauthbearer_v1"
    assert (profile.token_url, profile.token_scope) == (
        "https://example.com/api/oauth/token",
        "subscribe:auth_revocations",
    )
