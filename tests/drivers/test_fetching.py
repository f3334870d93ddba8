"""``x07 msg schemas fetch``: the schemas of a real registry over HTTP into a project, which `x07 arch check` reads."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.schema_registry_client import ConfigCompatibilityLevel, ServerConfig
from jsonschema import Draft202012Validator

from tests.arch.trees import CONTRACTS, manifest, node, run, write
from tests.serialization.messages import file, message
from tests.support.project import REPOSITORY, x07
from tests.wire.http.registry import PASSWORD, USER, running
from x07py import open_driver
from x07py.brokers.native import free_port
from x07py.drivers import open_subjects
from x07py.drivers.driver import Driver
from x07py.drivers.fetching import Fetched, fetch_subjects
from x07py.errors import ContractError, NotFoundError, SchemaError, SchemaRefusedError
from x07py.rr import session

PROFILE = "arch/msg/kafka/profiles/local_dev_v1.kafka.json"
INDEX = "arch/msg/schemas/subjects.json"
MONEY = json.dumps({"type": "record", "name": "Money", "fields": [{"name": "cents", "type": "long"}]})


def order(*more: dict[str, Any]) -> str:
    return json.dumps(
        {"type": "record", "name": "Order", "fields": [{"name": "sum", "type": "Money"}, *more]}, indent=3
    )


class Registry:
    """A registry over HTTP, of which each test has subjects of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = SchemaRegistryClient({"url": url, "basic.auth.user.info": f"{USER}:{PASSWORD}"})
        self.end = uuid.uuid4().hex[:8]

    def put(self, name: str, text: str, kind: str = "AVRO", **references: str) -> str:
        """Register a version, and return the subject's name."""
        name = f"{name}-{self.end}"
        refers = [SchemaReference(word, subject, 1) for word, subject in references.items()]
        self.client.register_schema(name, Schema(text, kind, refers))
        return name


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found.url


@pytest.fixture
def registry(project: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    monkeypatch.setenv("X07_SECRET_REGISTRY_USER", USER)
    monkeypatch.setenv("X07_SECRET_REGISTRY_PASSWORD", PASSWORD)
    document = json.loads((project / PROFILE).read_text())
    named = {"urls": [url], "username_secret_id": "registry_user", "password_secret_id": "registry_password"}
    document |= {"schema_registry": named, "schema_version": "x07py.arch.msg.kafka.profile@0.1.0"}
    (project / PROFILE).write_text(json.dumps(document))
    made = Registry(url)
    with made.client:
        yield made


def fetch(*names: str) -> list[Fetched]:
    async def ask() -> list[Fetched]:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            return await fetch_subjects(driver, Path(), names or None)

    return asyncio.run(ask())


def index() -> dict[str, Any]:
    """The rows of the index by their subjects."""
    return {row["subject"]: row for row in json.loads(Path(INDEX).read_text())["subjects"]}


def test_versions_are_pinned_with_what_they_refer_to(project: Path, registry: Registry) -> None:
    money = registry.put("mo/ney", MONEY)
    orders = registry.put("orders", order(), Money=money)
    registry.put("orders", order({"name": "paid", "type": "boolean", "default": False}), Money=money)
    registry.client.set_config(orders, ServerConfig(compatibility=ConfigCompatibilityLevel.FULL_TRANSITIVE))
    assert [(one.subject, one.version, one.action) for one in fetch(orders)] == [
        (orders, 1, "pinned"),
        (orders, 2, "pinned"),
        (money, 1, "pinned"),
    ]
    assert index()[orders]["compatibility"] == "full_transitive"
    assert index()[money]["compatibility"] == "backward"
    first = index()[orders]["versions"][0]
    assert first["references"] == [{"name": "Money", "subject": money, "version": 1}]
    assert Path(first["path"]).read_text() == order(), "byte for byte, as the registry is asked for it again"
    write(project, manifest(node("a"), contracts_v1=CONTRACTS), {"a.py": ""})
    assert [row.code for row in run(project, write_lock=True).findings if "SUBJECT" in row.code] == []

    async def use() -> Any:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            found = (await open_subjects(driver))[orders]
        return found.decode(found.encode({"sum": {"cents": 5}, "paid": True}))

    assert asyncio.run(use()) == {"sum": {"cents": 5}, "paid": True}
    registry.put("orders", order({"name": "to", "type": "string", "default": ""}), Money=money)
    assert [(one.version, one.action) for one in fetch()] == [(1, "kept"), (2, "kept"), (3, "pinned"), (1, "kept")]


def test_nothing_is_pinned_that_no_program_could_use(project: Path, registry: Registry) -> None:
    money = registry.put("money", MONEY)
    code = registry.put("code", json.dumps({"type": "string", "pattern": "^(?!0)[0-9]+$"}), "JSON")
    with pytest.raises(SchemaError, match=f"version 1 of '{code}', as the registry has it: .*look-ahead") as told:
        fetch(money, code)
    assert told.value.code == 9598
    assert not Path(INDEX).exists()
    assert not Path("arch/msg/schemas").exists()
    assert [one.subject for one in fetch(money)] == [money]


def test_what_is_pinned_is_never_changed(registry: Registry) -> None:
    money = registry.put("money", MONEY)
    fetch(money)
    [row] = index()[money]["versions"]
    Path(row["path"]).write_text(json.dumps(json.loads(MONEY), indent=9))
    before = Path(INDEX).read_bytes()
    assert [one.action for one in fetch()] == ["kept"], "layout says nothing"
    Path(row["path"]).write_text(MONEY.replace("long", "string"))
    with pytest.raises(SchemaRefusedError, match=rf"9769.*version 1 of '{money}' is another schema in the registry"):
        fetch()
    assert (Path(INDEX).read_bytes(), "string" in Path(row["path"]).read_text()) == (before, True)
    other = registry.put("other", MONEY)
    Path(f"arch/msg/schemas/{other}.1.avsc").write_text("mine")
    with pytest.raises(ContractError, match=r"9599.*no version of a subject names it"):
        fetch(other)
    assert Path(f"arch/msg/schemas/{other}.1.avsc").read_text() == "mine"


def test_each_kind_and_names_that_differ_in_odd_characters(registry: Registry) -> None:
    made = file(message("A"))
    proto = registry.put("p", base64.b64encode(made.SerializeToString()).decode(), "PROTOBUF")
    json_one = registry.put("a.b", '{"type":"string"}', "JSON")
    twin = registry.put("a:b", '{"type":"integer"}', "JSON")
    paths = {one.subject: one.path for one in fetch(proto, json_one, twin)}
    assert len(set(paths.values())) == 3
    assert Path(paths[twin]).read_text() == '{"type":"integer"}'
    assert [one.action for one in fetch()] == ["kept"] * 3
    registry.put("p", '{"type":"string"}', "JSON")
    with pytest.raises(SchemaRefusedError, match="schemas of several kinds: json, protobuf"):
        fetch(proto)


def test_a_subject_that_the_registry_does_not_have(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match=r"9766.*the subject 'none'"):
        fetch(registry.put("money", MONEY), "none")
    assert not Path(INDEX).exists()


def test_the_command_says_what_it_pinned(project: Path, registry: Registry) -> None:
    money = registry.put("money", MONEY)
    done = x07("msg", "schemas", "fetch", money, cwd=project)
    assert done.stdout.splitlines() == [
        f"pinned  {money} version 1  arch/msg/schemas/{money}.1.avsc",
        "1 pinned, 0 kept; x07 arch check compares them",
    ]
    report = json.loads(x07("msg", "schemas", "fetch", "--format", "json", cwd=project).stdout)
    schema = json.loads((REPOSITORY / "schemas/x07.msg.schemas.report.schema.json").read_text())
    Draft202012Validator(schema).validate(report)
    assert report["versions"] == [
        {"action": "kept", "path": f"arch/msg/schemas/{money}.1.avsc", "subject": money, "version": 1}
    ]
    done = x07("msg", "schemas", "fetch", "none", cwd=project)
    assert (done.returncode != 0, "9766" in done.stderr, "Traceback" in done.stderr) == (True, True, False)


def test_a_recording_answers_without_the_registry(project: Path, registry: Registry) -> None:
    money = registry.put("money", MONEY)
    with session(cassette="fetched.x07rr.bin", mode="record"):
        live = fetch(money)
    shutil.rmtree("arch/msg/schemas")
    document = json.loads((project / PROFILE).read_text())
    document["schema_registry"]["urls"] = [f"http://127.0.0.1:{free_port()}"]
    (project / PROFILE).write_text(json.dumps(document))
    with session(cassette="fetched.x07rr.bin", mode="replay"):
        assert fetch(money) == live


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"compatibility": "FULL", "versions": [{}]},
        {"compatibility": "", "versions": [{"version": 1, "type": "XML", "schema": "", "references": []}]},
        {"compatibility": "", "versions": [{"version": 1, "type": "AVRO", "schema": "", "references": [["a", "b"]]}]},
        {"compatibility": "", "versions": []},
    ],
)
def test_an_answer_that_cannot_be_used(registry: Registry, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def changed(*asked: Any) -> Any:
        return answer

    monkeypatch.setattr(Driver, "control", changed)
    with pytest.raises(SchemaRefusedError, match=r"9769"):
        fetch(registry.put("money", MONEY))
    assert not Path(INDEX).exists()
