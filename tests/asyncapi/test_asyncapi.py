"""`x07 msg asyncapi` against the official schema, and the way back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.support.project import EXAMPLE, REPOSITORY, x07

SCHEMA = Draft7Validator(json.loads(Path(__file__).with_name("asyncapi-3.0.0.json").read_text(encoding="utf-8")))
CONTRACTS = [EXAMPLE, REPOSITORY / "docs/examples/flight_delays"]
FOREIGN = """
asyncapi: 3.0.0
info: {title: Streetlights, version: 1.0.0}
servers:
  production:
    host: broker.example:9093
    protocol: kafka-secure
    security: [{$ref: '#/components/securitySchemes/scram'}]
  rabbit: {host: rabbit.example, protocol: amqps, pathname: /lights}
  web: {host: web.example, protocol: ws}
  templated: {host: "{stage}.example", protocol: kafka}
channels:
  measured:
    address: light.measured
    messages: {light: {$ref: '#/components/messages/light'}}
    bindings: {amqp: {is: queue, queue: {name: measured}}}
  command:
    address: light.command
    bindings: {amqp: {is: routingKey, exchange: {name: lights, type: topic, durable: true}}}
  one: {address: 'light/{id}'}
  elsewhere: {$ref: 'other.yaml#/channels/x'}
components:
  messages:
    light: {payload: {type: string, maxLength: 2000}}
  securitySchemes:
    scram: {type: scramSha512}
"""


def messages(folder: Path) -> dict[str, Any]:
    """Return the documents below ``arch/msg``."""
    return {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in (folder / "arch/msg").rglob("*.json")
    }


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A project with a module and no contracts."""
    folder = tmp_path / "project"
    (folder / "app").mkdir(parents=True)
    (folder / "app/__init__.py").write_text("import csv\n")
    return folder


@pytest.mark.parametrize("example", CONTRACTS, ids=lambda path: path.name)
def test_contracts_go_out_valid_and_come_back_the_same(example: Path, tmp_path: Path, code: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(example / "arch", source / "arch")
    assert x07("msg", "asyncapi", "-o", "../api.json", "--title", "A", cwd=source).returncode == 0
    document = json.loads((tmp_path / "api.json").read_text())
    assert [fault.message for fault in SCHEMA.iter_errors(document)] == []
    done = x07("arch", "init", "--from-asyncapi", "../api.json", cwd=code)
    assert done.returncode == 0, done.stderr
    again = json.loads(x07("msg", "asyncapi", "--title", "A", cwd=code).stdout)
    assert again == document
    assert x07("arch", "check", cwd=code).stdout.splitlines()[-2].endswith("0 errors, 0 warnings")


def test_secured_profiles_go_out_as_such(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "arch", tmp_path / "arch")
    for name, part, more in (
        ("kafka/profiles/local_dev_v1.kafka.json", "security", {"tls": True, "sasl_mode": "scram_v1"}),
        ("amqp/profiles/local_dev_v1.amqp.json", "auth", {"tls": True}),
    ):
        path = tmp_path / "arch/msg" / name
        document = json.loads(path.read_text())
        document[part] |= more
        path.write_text(json.dumps(document))
    made = json.loads(x07("msg", "asyncapi", cwd=tmp_path).stdout)
    assert [fault.message for fault in SCHEMA.iter_errors(made)] == []
    assert {server["protocol"] for server in made["servers"].values()} == {"kafka-secure", "amqps"}
    assert {row["type"] for row in made["components"]["securitySchemes"].values()} == {"scramSha512", "userPassword"}
    made["servers"]["kafka-local_dev_v1"]["protocol"] = 3
    assert list(SCHEMA.iter_errors(made))


def test_a_document_of_others_becomes_contracts(code: Path) -> None:
    (code / "api.yaml").write_text(FOREIGN)
    done = x07("arch", "init", "--from-asyncapi", "api.yaml", cwd=code)
    assert done.returncode == 0, done.stderr
    for left_out in ("server web", "server templated", "other.yaml#/channels/x"):
        assert left_out in done.stdout
    assert x07("arch", "check", cwd=code).stdout.splitlines()[-2].endswith("0 errors, 0 warnings")
    found = messages(code)
    index = found["arch/msg/index.x07msg.json"]
    sizes = {row["id"]: row.get("max_value_bytes") for row in index["topics"]}
    assert sizes == {"light.measured": 2000, "light.command": None, "light/{id}": None}
    (kafka,), (amqp,), (topology,) = index["kafka"], index["amqp"], index["topologies"]
    assert kafka["id"] == "production"
    assert kafka["bootstrap"] == ["broker.example:9093"]
    assert kafka["security"]["tls"]
    assert kafka["security"]["sasl_mode"] == "scram_v1"
    assert (amqp["host"], amqp["port"], amqp["vhost"]) == ("rabbit.example", 5671, "lights")
    assert [row["name"] for row in topology["queues"]] == ["measured"]
    assert topology["exchanges"] == [{"name": "lights", "type": "topic", "durable": True}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("asyncapi: 1.2.0\nchannels: {a: {}}\n", "X07_ASYNCAPI_VERSION"),
        ('{"asyncapi": "3.0.0", "channels": {"a": {"address": null}}}', "X07_ASYNCAPI_EMPTY"),
        ('{"asyncapi": "3.0.0", "channels": {"a": {"$ref": "#/channels/a"}}}', "X07_ASYNCAPI_EMPTY"),
        ('{"asyncapi": 3', "X07_ASYNCAPI_PARSE"),
        ("a: [", "X07_ASYNCAPI_PARSE"),
        ("[]", "X07_ASYNCAPI_PARSE"),
        (None, "X07IO_READ"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str | None, found: str, code: Path) -> None:
    if text is not None:
        (code / "api").write_text(text)
    done = x07("arch", "init", "--from-asyncapi", "api", cwd=code)
    assert done.returncode == 3
    assert found in done.stderr
    assert not (code / "arch").exists()


def test_contracts_that_are_there_stay(code: Path) -> None:
    (code / "api.yaml").write_text(FOREIGN)
    assert x07("arch", "init", "--from-asyncapi", "api.yaml", cwd=code).returncode == 0
    before = messages(code)
    assert "X07IO_EXISTS" in x07("arch", "init", "--from-asyncapi", "api.yaml", cwd=code).stderr
    shutil.move(code / "arch/msg", code / "msg")
    assert "E_ARCH_INIT_EXISTS" in x07("arch", "init", "--from-asyncapi", "api.yaml", cwd=code).stderr
    (code / "arch/manifest.x07arch.json").write_text("{")
    assert "E_ARCH_MANIFEST_JSON_PARSE" in x07("arch", "init", "--from-asyncapi", "api.yaml", cwd=code).stderr
    shutil.move(code / "msg", code / "arch/msg")
    assert messages(code) == before
