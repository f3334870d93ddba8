"""Contracts from documents that other people write: parameters, references into files, schemas, ways to log in."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator

from tests.asyncapi.test_asyncapi import SCHEMA, messages
from tests.support.project import x07

if TYPE_CHECKING:
    from pathlib import Path

PARTS = "docs/parts/parts.yaml"
DOCUMENT = """
asyncapi: 3.1.0
info: {title: Parcels, version: 1.0.0}
defaultContentType: application/json
servers:
  east:
    host: '{city}.kafka.example:9093'
    protocol: kafka-secure
    variables: {city: {default: oslo}}
    security: [{$ref: '#/components/securitySchemes/scram'}]
  west: {host: west.kafka.example, protocol: kafka-secure, security: [{type: X509}]}
  token:
    host: token.kafka.example:9094
    protocol: kafka-secure
    security:
      - type: oauth2
        flows: {clientCredentials: {tokenUrl: 'https://login.example/token', availableScopes: {w: write}}}
        scopes: [w]
  rabbit: {host: rabbit.example, protocol: amqps, security: [{type: userPassword}]}
  socket: {$ref: 'parts/parts.yaml#/socket'}
channels:
  moved:
    address: 'parcels.{depot}.{kind}.moved'
    parameters:
      depot: {description: Where it lies}
      kind: {enum: [letter, box]}
    messages: {moved: {$ref: 'parts/parts.yaml#/messages/moved'}}
    servers: [{$ref: '#/servers/east'}]
  ask:
    address: parcels.ask
    messages:
      ask: {payload: {$ref: '#/components/schemas/tree'}}
      old: {payload: {schemaFormat: 'application/vnd.apache.avro;version=1.9.0', schema: {type: record}}}
    bindings: {amqp: {is: queue, queue: {durable: false}}}
  answer: {address: 'parcels.answer-{id}', parameters: {id: {}}}
  inbox: {address: null}
  away: {$ref: '../../outside.yaml#/channel'}
  far: {$ref: 'https://example.org/a.yaml#/channel'}
operations:
  answering:
    action: receive
    channel: {$ref: '#/channels/ask'}
    reply: {channel: {$ref: '#/channels/answer'}, address: {location: '$message.header#/reply-to'}}
  telling: {action: send, channel: {$ref: '#/channels/moved'}}
components:
  schemas:
    tree:
      type: object
      properties: {name: {type: string}, below: {type: array, items: {$ref: '#/components/schemas/tree'}}}
  securitySchemes: {scram: {type: scramSha256}}
"""
OF_PARTS = """
socket: {host: socket.example, protocol: ws}
traits: {tracing: {headers: {type: object, properties: {trace: {type: string}}}}}
messages:
  moved:
    contentType: application/cloudevents+json
    traits: [{$ref: '#/traits/tracing'}]
    payload: {$ref: 'deep/moved.json'}
"""
MOVED = {
    "type": "object",
    "required": ["at"],
    "properties": {"at": {"$ref": "#/definitions/place"}, "default": {"$ref": "#/definitions/place"}},
    "definitions": {"place": {"type": "string", "enum": ["depot", "door"]}},
}


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project without code whose document, in three files, was taken over, and what that said."""
    above = tmp_path_factory.mktemp("parcels")
    (above / "outside.yaml").write_text("channel: {address: secret}")
    folder = above / "project"
    (folder / "docs/parts/deep").mkdir(parents=True)
    (folder / "docs/api.yaml").write_text(DOCUMENT)
    (folder / PARTS).write_text(OF_PARTS)
    (folder / "docs/parts/deep/moved.json").write_text(json.dumps(MOVED))
    done = x07("arch", "init", "--from-asyncapi", "docs/api.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def project(taken: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of that project."""
    shutil.copytree(taken[0], tmp_path / "project")
    return tmp_path / "project"


def read(folder: Path, path: str) -> Any:
    """Return a JSON document of a project."""
    return json.loads((folder / path).read_text(encoding="utf-8"))


def test_a_project_without_code_gets_contracts(taken: tuple[Path, str]) -> None:
    project, said = taken
    for note in (
        "server socket, ws at socket.example",
        "channel inbox, whose address is known at run time only",
        "../outside.yaml#/channel",
        "https://example.org/a.yaml#/channel",
        "message old of channel ask, which is in the format application/vnd.apache.avro",
        "channel moved is on some servers only (east)",
        "server west asks for a certificate",
        "{city} is written as oslo",
    ):
        assert note in said
    assert x07("arch", "check", cwd=project).stdout.splitlines()[-2].endswith("0 errors, 0 warnings")
    index = read(project, "arch/msg/index.x07msg.json")
    rows = {row["id"]: row for row in index["topics"]}
    assert rows.keys() == {"parcels.{depot}.{kind}.moved", "parcels.ask", "parcels.answer-{id}"}
    moved = rows["parcels.{depot}.{kind}.moved"]
    assert moved["parameters"] == {"depot": {"description": "Where it lies"}, "kind": {"enum": ["letter", "box"]}}
    assert moved["operations"] == [{"id": "telling", "action": "send"}]
    reply = {"topic": "parcels.answer-{id}", "location": "$message.header#/reply-to"}
    assert rows["parcels.ask"]["operations"] == [{"id": "answering", "action": "receive", "reply": reply}]


def test_schemas_are_pinned_with_what_they_need(project: Path) -> None:
    rows = {row["id"]: row for row in read(project, "arch/msg/index.x07msg.json")["topics"]}
    (moved,) = rows["parcels.{depot}.{kind}.moved"]["messages"]
    assert moved["content_type"] == "application/cloudevents+json"
    payload = Draft7Validator(read(project, moved["payload_path"]))
    assert payload.is_valid({"at": "door", "default": "depot"})
    assert not payload.is_valid({"at": "door", "default": "roof"})
    assert not Draft7Validator(read(project, moved["headers_path"])).is_valid({"trace": 7})
    ask = next(row for row in rows["parcels.ask"]["messages"] if row["id"] == "ask")
    tree = Draft7Validator(read(project, ask["payload_path"]))
    assert not tree.is_valid({"below": [{"below": [{"name": 3}]}]})
    (project / ask["payload_path"]).write_text(json.dumps({"type": "object"}))
    assert "E_ARCH_CONTRACTS_LOCK" in x07("arch", "check", cwd=project).stdout
    (project / ask["payload_path"]).write_text(json.dumps({"type": "thing"}))
    (project / moved["headers_path"]).write_text(json.dumps({"not": {"pattern": "^(?!a)"}}))
    found = x07("arch", "check", cwd=project).stdout
    assert found.count("E_ARCH_MSG_SCHEMA_INVALID") == 2
    assert "has a look-ahead at character 2" in found


def test_ways_to_log_in_are_taken(project: Path) -> None:
    index = read(project, "arch/msg/index.x07msg.json")
    found = {row["id"]: row for row in (*index["kafka"], *index["amqp"])}
    assert found.keys() == {"east", "west", "token", "rabbit"}
    assert found["east"]["bootstrap"] == ["oslo.kafka.example:9093"]
    assert found["east"]["security"]["sasl_mode"] == "scram_sha256_v1"
    assert found["west"]["security"]["tls"]
    assert found["token"]["security"]["token_url"] == "https://login.example/token"
    assert found["token"]["security"]["token_scope"] == "w"
    assert found["rabbit"]["auth"] | {"tls": True} == found["rabbit"]["auth"]
    (topology,) = index["topologies"]
    assert topology["queues"] == [{"name": "parcels.ask", "durable": False}]


def test_what_was_taken_goes_out_valid_and_comes_back_the_same(project: Path, tmp_path: Path) -> None:
    assert x07("msg", "asyncapi", "-o", "../out.json", cwd=project).returncode == 0
    document = json.loads((tmp_path / "out.json").read_text())
    assert [fault.message for fault in SCHEMA.iter_errors(document)] == []
    (tmp_path / "again").mkdir()
    assert x07("arch", "init", "--from-asyncapi", "../out.json", cwd=tmp_path / "again").returncode == 0
    assert messages(tmp_path / "again") == messages(project)


def test_code_is_held_to_topics_with_parameters(project: Path) -> None:
    (project / "app.py").write_text(
        textwrap.dedent("""
        from x07py import Envelope

        Envelope("parcels.oslo.box.moved", b"", b"")
        Envelope("parcels.oslo.crate.moved", b"", b"")
        """)
    )
    manifest = read(project, "arch/manifest.x07arch.json")
    (project / "arch/manifest.x07arch.json").unlink()
    (project / "arch/manifest.lock.json").unlink()
    assert x07("arch", "init", cwd=project).returncode == 0
    fresh = read(project, "arch/manifest.x07arch.json") | {"contracts_v1": manifest["contracts_v1"]}
    (project / "arch/manifest.x07arch.json").write_text(json.dumps(fresh))
    said = x07("arch", "check", cwd=project).stdout
    assert "app names 'parcels.oslo.crate.moved'" in said
    assert "box" not in said
    done = x07("msg", "encode", "--topic", "parcels.oslo.letter.moved", "--value", "a", cwd=project)
    assert done.returncode == 0
    assert "9501" in x07("msg", "encode", "--topic", "parcels.oslo.crate.moved", "--value", "a", cwd=project).stderr
