"""Every code of the architecture check: something that raises it, and a near-miss that does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import invalidate_caches
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.arch.test_contracts import (
    AMQP,
    AMQP_PROFILE,
    BUDGET,
    BUDGETS,
    KAFKA,
    KAFKA_PROFILE,
    MSG,
    POLICY,
    RR,
    SANITIZER,
    TOPOLOGY,
    put,
)
from tests.arch.test_graph import AB, CASES, two
from tests.arch.trees import CONTRACTS, codes, contracts_project, edit, manifest, node, run, write
from tests.pkg.builders import pkg
from tests.rr.builders import entry, framed
from tests.support.installed import install
from tests.support.project import EXAMPLE
from x07py.arch.baseline import hold
from x07py.arch.check import Request, check
from x07py.arch.contracts_checks.run import check_contracts
from x07py.arch.convert.tach import from_tach
from x07py.arch.git import changed_since
from x07py.arch.graph import build_graph
from x07py.arch.init import first_manifest
from x07py.arch.manifest import read_manifest
from x07py.arch.project import MANIFEST_PATH, project_folder
from x07py.arch.repair import Patch, apply
from x07py.arch.scan.module_names import ModuleNames
from x07py.errors import X07Error
from x07py.rr.scanning import BASELINE, BASELINE_SCHEMA

Found = Callable[[Path], Iterable[str]]
ROWS: dict[str, tuple[Found, Found]] = {}
LOCK, CONTRACTS_LOCK = "arch/manifest.lock.json", "arch/contracts.lock.json"


def tree(document: Any, modules: dict[str, str]) -> Found:
    return lambda root: codes(run(write(root, document, modules)))


def contracts(name: str, change: Any, **domains: Any) -> Found:
    """Alter a contract file of the example: in place, by a text, by removing it (None) or not at all (False)."""

    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        write(root, manifest(contracts_v1={**CONTRACTS, **domains}))
        if callable(change):
            edit(root, name, change)
        elif change is None:
            (root / name).unlink()
        elif change:
            (root / name).write_text(change)
        rows: list[Any] = []
        document = read_manifest(root, MANIFEST_PATH, rows)
        assert document
        check_contracts(root, document, build_graph(root, document, {}, rows, ModuleNames(root)), rows)
        return [row.code for row in rows]

    return found


def locked(name: str, text: str, document: Any = None) -> Found:
    """Write both locks, then one of them anew, then check; perhaps with another manifest."""

    def found(root: Path) -> list[str]:
        contracts_project(root)
        (root / name).write_text(text or (root / name).read_text())
        return codes(run(write(root, document) if document else root))

    return found


def profiled(name: str, world: str) -> Found:
    """Return a check of a project that has a profile of that name in that world."""

    def check(root: Path) -> Iterable[str]:
        write(root, manifest(), {})
        (root / "x07.toml").write_text(f'[profiles.{name}]\nworld = "{world}"\n')
        return codes(run(root))

    return check


def raised(act: Callable[[Path], object]) -> Found:
    def found(root: Path) -> list[str]:
        try:
            act(root)
        except X07Error as error:
            return [str(error.code)]
        return []

    return found


def solve(text: str) -> Found:
    return tree(manifest(node("core", "solve-pure")), {"core.py": text})


def scoped(text: str, world: str = "run-os", selected: str = "", prefix: str = "a", **changes: Any) -> Found:
    """A module in a project that requires policies and budgets; ``msg_core_v1`` is for run-os and may select."""

    def change(index: Any) -> None:
        selectors = [{"module_prefix": prefix, "fn": selected}] if selected else []
        index["profiles"][1].update(worlds_allowed=["run-os"], selectors=selectors)

    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        edit(root, BUDGETS, change)
        rr = {**CONTRACTS["rr"], "require_policy_for_os_calls": True}
        domains = {**CONTRACTS, "rr": rr, "budgets": {**CONTRACTS["budgets"], "require_scopes": True}}
        document = manifest(node("a", world), contracts_v1=domains)
        return codes(run(write(root, document, {"a.py": HEAD + text}), write_lock=True))

    return found


HEAD = "from x07py import budget, open_driver\nfrom x07py.rr import session\n"
LAYOUT = json.dumps(json.loads((EXAMPLE / RR).read_text()), indent=7)
CUT = '{"id": 1, "id": 2}'
REF = {"sasl_mode": "scram_v1", "username_secret_id": "u", "password_secret_id": "p"}


def again(name: str, *, key: str = "", value: str = "") -> Any:
    """A change that repeats the first entry of a list, perhaps with another value."""
    return lambda document: document[name].append({**document[name][0], **({key: value} if key else {})})


def _contract(code: str, name: str, broken: Any, near: Any = False) -> None:
    ROWS[code] = contracts(name, broken), contracts(name, near)


for _name, _kind in ((RR, "RR_INDEX"), (BUDGETS, "BUDGETS_INDEX"), (POLICY, "RR_POLICY"), (SANITIZER, "RR_SANITIZER")):
    _same = json.dumps(json.loads((EXAMPLE / _name).read_text()), indent=7)
    _contract(f"E_ARCH_{_kind}_READ", _name, None, _same)
    _contract(f"E_ARCH_{_kind}_JSON_PARSE", _name, CUT, _same)
    _contract(f"E_ARCH_{_kind}_SCHEMA_VERSION", _name, put("schema_version", "x"), _same)
_contract("E_ARCH_BUDGET_PROFILE_READ", BUDGET, None)
_contract("E_ARCH_BUDGET_PROFILE_JSON_PARSE", BUDGET, CUT)
_contract("E_ARCH_BUDGET_PROFILE_SCHEMA_VERSION", BUDGET, put("schema_version", "x"))
_contract("E_ARCH_BUDGET_PROFILE_SCHEMA_INVALID", BUDGET, put("cfg", "fuel", -1), put("cfg", "fuel", 0))
_contract(
    "E_ARCH_BUDGETS_INDEX_SCHEMA_INVALID",
    BUDGETS,
    put("profiles", 0, "enforce", "of"),
    put("profiles", 0, "enforce", "off"),
)
_contract("E_ARCH_RR_INDEX_SCHEMA_INVALID", RR, put("extra", 1), lambda it: it.pop("defaults"))
_MODES = ("defaults", "record_modes_allowed")
_contract(
    "E_ARCH_RR_INDEX_DEFAULTS_NOT_SORTED", RR, put(*_MODES, ["replay_v1", "off"]), put(*_MODES, ["off", "replay_v1"])
)
_contract("E_ARCH_RR_INDEX_DEFAULTS_DUP", RR, put(*_MODES, ["replay_v1"] * 2), put(*_MODES, ["replay_v1"]))
_contract(
    "E_ARCH_RR_INDEX_NOT_SORTED", RR, again("policies", key="id", value="a"), again("policies", key="id", value="z")
)
_contract("E_ARCH_CONTRACT_DUPLICATE_ID", MSG, again("topics"), again("topics", key="id", value="other"))
for _code, _field, _broken, _near in (
    ("CASSETTE_BRAND_UNSUPPORTED", "cassette_brand", "x", " std.rr.cassette_v1 "),
    ("POLICY_WORLDS_NOT_SORTED", "worlds_allowed", ["solve-rr", "run-os"], ["run-os", "solve-rr"]),
    ("POLICY_KINDS_NOT_SORTED", "kinds_allowed", ["rr", "http"], ["http", "rr"]),
    ("POLICY_OPS_NOT_SORTED", "ops_allowed", ["std.rr.b", "std.rr.a"], ["std.rr.a", "std.rr.b"]),
    ("OP_KIND_UNKNOWN", "ops_allowed", ["std.db.x"], ["std.msg.x"]),
    ("OP_KIND_NOT_ALLOWED", "kinds_allowed", ["http"], ["http", "rr"]),
):
    _contract(f"E_ARCH_RR_{_code}", RR, put("policies", 0, _field, _broken), put("policies", 0, _field, _near))
_contract("E_ARCH_RR_POLICY_SCHEMA_INVALID", POLICY, put("v", 0), put("v", 1))
_contract("E_ARCH_RR_POLICY_ID_MISMATCH", POLICY, put("id", "msg_rr_v2"))
_contract("E_ARCH_RR_POLICY_MODE_NOT_ALLOWED", POLICY, put("mode_default", "off"), put("mode_default", "record_v1"))
_contract("E_ARCH_RR_POLICY_NOT_FOUND", MSG, put("rr_policy_id", "msg_rr_v2"))
_contract("E_ARCH_RR_SANITIZER_SCHEMA_INVALID", SANITIZER, put("redact_token", 1), put("redact_token", "1"))
_contract("E_ARCH_RR_SANITIZER_ID_MISMATCH", SANITIZER, put("id", "x"))
_contract("E_ARCH_SANITIZER_REQUIRED", SANITIZER, put("redact_headers", []), put("redact_headers", ["authorization"]))
_contract("E_ARCH_CONTRACT_ID_MISMATCH", BUDGET, put("id", "other"), put("v", 2))
_SIZE = ("topics", 0, "max_value_bytes")
_contract("E_ARCH_MSG_INDEX_MISSING", MSG, put(*_SIZE, 0), put(*_SIZE, 1))
_contract("E_ARCH_MSG_SIZE", MSG, put(*_SIZE, 1048577), put(*_SIZE, 1))


def _with_schema(path: str) -> Callable[[Any], object]:
    return lambda index: index.update(
        {
            "schema_version": "x07py.arch.msg.index@0.1.0",
            "topics": [{**index["topics"][0], "messages": [{"id": "m", "payload_path": path}]}, *index["topics"][1:]],
        }
    )


_contract("E_ARCH_MSG_SCHEMA_INVALID", MSG, _with_schema("arch/none.json"), _with_schema(KAFKA))
_contract("E_ARCH_MSG_KAFKA_INDEX_MISSING", KAFKA, put("profiles", []))
_BUDGET_ID = ("profiles", 0, "budget_profile_id")
_contract("E_ARCH_MSG_KAFKA_BUDGET_MISSING", KAFKA, put(*_BUDGET_ID, "x"), put(*_BUDGET_ID, "msg_core_v1"))
_WAIT = ("limits", "max_poll_wait_ms")
_contract("E_ARCH_MSG_KAFKA_PROFILE_INVALID", KAFKA_PROFILE, put(*_WAIT, 60001), put(*_WAIT, 60000))
_contract("E_ARCH_MSG_KAFKA_BOOTSTRAP", KAFKA_PROFILE, put("bootstrap", ["a:65536"]), put("bootstrap", ["[::1]:65535"]))
_contract(
    "E_ARCH_MSG_KAFKA_SECRET_MISSING",
    KAFKA_PROFILE,
    put("security", {**REF, "password_secret_id": ""}),
    put("security", REF),
)
_contract("E_ARCH_MSG_CLEARTEXT", AMQP_PROFILE, put("host", "rabbit.corp"), put("host", "rabbit.localhost"))
_contract("E_ARCH_SECRET_IN_CONTRACT", KAFKA_PROFILE, put("bootstrap", ["u:w@a:1"]), put("bootstrap", ["u.w.a:1"]))
_contract("E_ARCH_MSG_AMQP_INDEX_MISSING", AMQP, put("topologies", []))
_contract("E_ARCH_MSG_AMQP_BUDGET_MISSING", AMQP, put(*_BUDGET_ID, "x"), put(*_BUDGET_ID, "msg_core_v1"))
_contract("E_ARCH_MSG_AMQP_PROFILE_INVALID", AMQP_PROFILE, put("port", 0), put("port", 1))
_contract(
    "E_ARCH_MSG_AMQP_TOPOLOGY_INVALID",
    TOPOLOGY,
    put("exchanges", 0, "type", "x"),
    put("exchanges", 0, "type", "fanout"),
)
_contract("E_ARCH_MSG_AMQP_BINDING", TOPOLOGY, put("bindings", 0, "queue", "x08"))

for _domain, _area in (("rr", "RR"), ("budgets", "BUDGETS")):
    _elsewhere = {_domain: {**CONTRACTS[_domain], "gen_dir": "none"}}
    ROWS[f"E_ARCH_{_area}_GEN_DIR_MISSING"] = contracts(RR, False, **_elsewhere), contracts(RR, False)


def without_folder(name: str, *, gone: bool) -> Found:
    """Rename a folder of contracts, or one beside it."""

    def found(root: Path) -> list[str]:
        contracts_project(root)
        (root / "arch" / (name if gone else "msg")).rename(root / "elsewhere")
        return codes(run(root))

    return found


ROWS["E_ARCH_RR_DIR_MISSING"] = without_folder("rr", gone=True), without_folder("rr", gone=False)
ROWS["E_ARCH_BUDGETS_DIR_MISSING"] = without_folder("budgets", gone=True), without_folder("budgets", gone=False)


def linked(target: str) -> Found:
    """Put a link in the place of a budget profile."""

    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        shutil.move(root / BUDGET, (root / target).resolve())
        (root / BUDGET).symlink_to((root / target).resolve())
        return codes(run(write(root, manifest(contracts_v1=CONTRACTS))))

    return found


ROWS["E_ARCH_CONTRACT_PATH"] = linked("../outside.json"), linked("arch/inside.json")
_STRICT = {"canonical_json": {"mode": "jcs_rfc8785_v1", "require": True}}
_CANONICAL = json.dumps(json.loads((EXAMPLE / MSG).read_text()), sort_keys=True, separators=(",", ":"))
ROWS["E_ARCH_CONTRACT_NOT_CANONICAL"] = contracts(MSG, False, **_STRICT), contracts(MSG, False)
_WEB = {"web": {"index_path": "arch/web.json", "enforce": "error"}}
ROWS["W_ARCH_CONTRACT_DOMAIN_UNCHECKED"] = contracts(MSG, False, **_WEB), contracts(MSG, False)

for _code, _broken, _near in (
    ("OS_IMPORT", "import syslog\n", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import syslog\n"),
    (
        "DYNAMIC_IMPORT",
        "import importlib as i\ni.import_module(i)\n",
        "import importlib as i\ni.import_module('json')\n",
    ),
    ("SET_ORDER", "','.join({'a'})\n", "','.join(sorted({'a'}))\n"),
    ("CALL_CLOCK", "import time\ntime.gmtime()\n", "import time\ntime.gmtime(0)\n"),
    ("CALL_RANDOMNESS", "import random\nrandom.Random()\n", "import random\nrandom.Random(0)\n"),
    ("CALL_ENVIRONMENT", "import os\nos.environ['A']\n", "import os\nos.path\n"),
    ("CALL_FILES", "open('x')\n", "def open(x): ...\nopen('x')\n"),
    ("CALL_PROCESSES", "import os\nos.system('x')\n", "import os\nos.path.join('x')\n"),
    ("CALL_DYNAMIC", "exec('x')\n", "def exec(x): ...\nexec('x')\n"),
    ("CALL_IDENTITY", "def f(x): return id(x)\n", "def f(id): return id(3)\n"),
    ("CALL_NETWORK", "import socket\nsocket.socket()\n", "import socket\nsocket.inet_aton('1')\n"),
    ("CALL_THREADS", "import sys\nsys.setswitchinterval(1)\n", "import threading as t\nt.Thread().start()\n"),
    ("CALL_NATIVE", "import ctypes\nctypes.CDLL('x')\n", "import ctypes\nctypes.c_int(3)\n"),
    ("NOT_READ", "import nowhere\n", "import json\n"),
):
    ROWS[f"E_ARCH_{_code}"] = solve(_broken), solve(_near)

_RULED = "with session(policy='msg_rr_v1'):\n    "
for _code, _found, _missed in (
    ("E_ARCH_RR_POLICY_REQUIRED", scoped("open_driver('amqp')\n"), scoped(f"{_RULED}open_driver('amqp')\n")),
    (
        "E_ARCH_RR_OP_NOT_ALLOWED",
        scoped(f"{_RULED}d = open_driver('kafka'); d.control('flush', {{}})\n"),
        scoped(f"{_RULED}d = open_driver('kafka'); d.commit()\n"),
    ),
    ("E_ARCH_RR_WORLD_VIOLATION", scoped(f"{_RULED}pass\n", "solve-pure"), scoped(f"{_RULED}pass\n", "solve-rr")),
    ("W_ARCH_CONTRACT_OPAQUE_USAGE", scoped("def f(x): budget(x)\n"), scoped("X = 'msg_core_v1'\nbudget(X)\n")),
    ("E_ARCH_BUDGET_PROFILE_NOT_FOUND", scoped("budget('x')\n"), scoped("budget('msg_core_v1')\n")),
    (
        "E_ARCH_BUDGET_WORLD_VIOLATION",
        scoped("budget('msg_core_v1')\n", "run-os-sandboxed"),
        scoped("budget('msg_kafka_v1')\n", "run-os-sandboxed"),
    ),
    (
        "E_ARCH_BUDGET_SCOPE_MISSING",
        scoped("@budget('msg_core_v1')\nasync def f(): ...\n", selected="f"),
        scoped("@budget('msg_core_v1')\ndef f(): ...\n", selected="f"),
    ),
    (
        "E_ARCH_BUDGET_SELECTOR_FN_NOT_FOUND",
        scoped("def f():\n    def g(): ...\n", selected="g"),
        scoped("class A:\n    def g(self): ...\n", selected="A.g"),
    ),
    (
        "E_ARCH_BUDGET_SELECTOR_MODULE_PREFIX_NOT_FOUND",
        scoped("def f(): ...\n", selected="f", prefix="aa"),
        scoped("def f(): ...\n", selected="f", prefix="a."),
    ),
):
    ROWS[_code] = _found, _missed

_MANIFEST = manifest(contracts_v1=CONTRACTS)
_OTHER = manifest(repo={"id": "other", "root": "."}, contracts_v1=CONTRACTS)
_TWICE = manifest(node("a"), node("a"))
_ALL = {"kind": "layers_v1", "id": "r", "direction": "down", "exhaustive": True}


def named(call: str) -> Found:
    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        edit(root, TOPOLOGY, put("bindings", 0, "routing_key", "audit.*"))
        document = manifest(node("a"), contracts_v1=CONTRACTS, externals={**_ALLOWED, "allowed_exact": ["x07py"]})
        return codes(run(write(root, document, {"a.py": f"from x07py import Envelope, open_driver\n{call}\n"})))

    return found


def driven(profiles: str) -> Found:
    """Have a driver read its contract; it wants numbers."""

    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        index = root / "arch/msg/spool/index.x07spool.json"
        index.parent.mkdir()
        index.write_text(profiles)
        install(root / "site", "x07-spool", "1.0", {"x07_spool_arch.py": SPOOL}, {"x07.drivers": {"spool": SPOOL_AT}})
        with patch.object(sys, "path", [*sys.path, str(root / "site")]):
            invalidate_caches()
            return codes(run(write(root, manifest(node("a"), contracts_v1=CONTRACTS), {"a.py": ""})))

    return found


def served(source: str) -> Found:
    """A service that consumes a topic; the catalogue of the example has orders."""

    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        file = root / "arch/msg/services/billing.service.json"
        file.parent.mkdir()
        about = {"id": "billing", "driver": "kafka", "profile": "local_dev_v1", "group": "g", "in_flight": 1}
        told = {"schema_version": "x07py.arch.msg.service@0.1.0", "v": 1, "sources": [source], "drain_s": 5}
        file.write_text(json.dumps({**about, **told}))
        return codes(run(write(root, manifest(node("a"), contracts_v1=CONTRACTS), {"a.py": ""})))

    return found


def pinned(*versions: str, missing: str = "", **more: Any) -> Found:
    """A project that pins versions of one Avro schema, where one library may not be installed."""

    def found(root: Path) -> list[str]:
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        (root / "arch/msg/schemas").mkdir()
        rows = []
        for number, text in enumerate(versions, 1):
            (root / f"arch/msg/schemas/{number}.avsc").write_text(text)
            rows.append({"version": number, "path": f"arch/msg/schemas/{number}.avsc", **more})
        subject = {"subject": "orders-value", "kind": "avro", "versions": rows}
        index = {"schema_version": "x07py.arch.msg.subjects@0.1.0", "subjects": [subject]}
        (root / "arch/msg/schemas/subjects.json").write_text(json.dumps(index))
        modules = [name for name in sys.modules if name.startswith("x07py.serialization.")] if missing else []
        with patch.dict(sys.modules, {missing: None} if missing else {}):
            for name in modules:
                del sys.modules[name]
            return codes(run(write(root, manifest(node("a"), contracts_v1=CONTRACTS), {"a.py": ""})))

    return found


SPOOL_AT = "x07_spool_arch:DRIVER"
SPOOL = """
from x07py.drivers import Dialect, DriverPlugin, Limits, read_contract
from x07py.errors import ContractError

def ids(root):
    return [row["id"] for row in read_contract(root, "arch/msg/spool/index.x07spool.json", code=9903)["profiles"]]

def read(root, name):
    rows = read_contract(root, "arch/msg/spool/index.x07spool.json", code=9903)["profiles"]
    if any(type(row.get("size")) is not int for row in rows):
        raise ContractError(9903, "size is no number", where="arch/msg/spool/index.x07spool.json", hint="write one")

dialect = Dialect.of("spool", 128, ("queue", "lane", "number"), ("ack",), 9911)
limits = lambda profile: Limits(1, 1)
DRIVER = DriverPlugin(dialect, read, ids, lambda *_: None, limits, lambda profile: (), "")
"""


def with_tach(root: Path) -> Path:
    (root / "tach.toml").write_text('[[modules]]\npath = "a"\n')
    return root / "tach.toml"


def declaring(dependencies: str) -> Found:
    def found(root: Path) -> list[str]:
        (root / "pyproject.toml").write_text(f"[project]\nname = 'x'\ndependencies = {dependencies}\n")
        checks = {**manifest()["checks"], "distributions": True}
        return codes(
            run(write(root, manifest(node("a"), checks=checks, externals=_ALLOWED), {"a.py": "import numpy.linalg\n"}))
        )

    return found


_EXCUSED = {"code": "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED", "path": "a.py", "reason": "a test"}
_TWO = {"roots": ["one", "two"]}
_BOTH = {"one/t.py": "", "two/t.py": "import t\n"}
_ALLOWED = {"allowed_import_prefixes": ["numpy"], "allowed_exact": []}
ROWS |= {
    "E_ARCH_MANIFEST_READ": (lambda root: codes(run(root)), tree(manifest(), {})),
    "E_ARCH_MANIFEST_JSON_PARSE": (tree("{", {}), tree(json.dumps(manifest(), indent=9), {})),
    "E_ARCH_MANIFEST_SCHEMA_INVALID": (tree({**manifest(), "extra": 1}, {}), tree(manifest(), {})),
    "E_ARCH_MANIFEST_INVALID": (tree(_TWICE, {"a.py": ""}), tree(two(), AB)),
    "E_ARCH_LOCK_READ": (lambda root: codes(run(write(root, manifest()), lock="x")), tree(manifest(), {})),
    "E_ARCH_LOCK_JSON_PARSE": (locked(LOCK, "{"), locked(LOCK, "")),
    "E_ARCH_LOCK_SCHEMA_INVALID": (locked(LOCK, "{}"), locked(LOCK, "")),
    "E_ARCH_LOCK_MISMATCH": (locked(LOCK, "", _OTHER), locked(LOCK, "", json.dumps(_MANIFEST, indent=9))),
    "E_ARCH_CONTRACTS_LOCK_JSON_PARSE": (locked(CONTRACTS_LOCK, "{"), locked(CONTRACTS_LOCK, "")),
    "E_ARCH_CONTRACTS_LOCK_SCHEMA_VERSION": (locked(CONTRACTS_LOCK, "{}"), locked(CONTRACTS_LOCK, "")),
    "E_ARCH_CONTRACTS_LOCK_SCHEMA_INVALID": (
        locked(CONTRACTS_LOCK, '{"schema_version": "x07.arch.contracts.lock@0.1.0"}'),
        locked(CONTRACTS_LOCK, ""),
    ),
    "E_ARCH_ALLOWED_UNUSED": (
        tree(manifest(node("a"), externals=_ALLOWED), {"a.py": "import json\n"}),
        tree(manifest(node("a"), externals=_ALLOWED), {"a.py": "import numpy.linalg\n"}),
    ),
    "W_ARCH_DENIED_UNKNOWN": (
        tree(manifest(node("a", imports={"deny_prefixes": ["sockett"], "allow_prefixes": []})), {"a.py": ""}),
        tree(manifest(node("a", imports={"deny_prefixes": ["socket"], "allow_prefixes": []})), {"a.py": ""}),
    ),
    "E_ARCH_TOOL_BUDGET_EXCEEDED": (
        lambda root: codes(run(write(root, two(), AB), budgets={"max_modules": 1})),
        lambda root: codes(run(write(root, two(), AB), budgets={"max_modules": 2})),
    ),
    "W_ARCH_EXCLUDE_UNUSED": (
        tree(manifest(node("a"), scan={"exclude": ["gen/**"]}), {"a.py": "", "genx/b.txt": ""}),
        tree(manifest(node("a"), scan={"exclude": ["gen/**"]}), {"a.py": "", "gen/b.py": ""}),
    ),
    "W_ARCH_EXCLUDED_IMPORTED": (
        tree(manifest(node("a"), scan={"exclude": ["gen/**"]}), {"a.py": "from gen import b\n", "gen/b.py": ""}),
        tree(manifest(node("a"), scan={"exclude": ["gen/**"]}), {"a.py": "import gen.b\n", "gen/c.py": ""}),
    ),
    "E_ARCH_CONVERT": (
        raised(lambda root: from_tach(write_module(root) / "none.toml", {})),
        raised(lambda root: from_tach(with_tach(root), {})),
    ),
    "E_ARCH_INDEPENDENCE": (
        tree(two(rules=[{"kind": "independence_v1", "id": "r", "nodes": ["a", "b"]}]), AB),
        tree(two(rules=[{"kind": "independence_v1", "id": "r", "nodes": [["a", "b"], "b"]}]), {**AB, "a.py": ""}),
    ),
    "E_ARCH_FORBIDDEN": (
        tree(two(rules=[{"kind": "forbidden_v1", "id": "r", "from": ["a"], "to": ["b"]}]), AB),
        tree(two(rules=[{"kind": "forbidden_v1", "id": "r", "from": ["b"], "to": ["a"]}]), AB),
    ),
    "E_ARCH_PROTECTED": (
        tree(two(rules=[{"kind": "protected_v1", "id": "r", "nodes": ["b"], "importers": []}]), AB),
        tree(two(rules=[{"kind": "protected_v1", "id": "r", "nodes": ["b"], "importers": ["a"]}]), AB),
    ),
    "E_ARCH_LAYERS_NOT_EXHAUSTIVE": (
        tree(two(rules=[{**_ALL, "layers": ["a"]}]), AB),
        tree(two(rules=[{**_ALL, "layers": ["b", "a"]}]), AB),
    ),
    "E_ARCH_DISTRIBUTION_UNDECLARED": (declaring("[]"), declaring('["numpy>=2"]')),
    "W_ARCH_DISTRIBUTION_UNUSED": (declaring('["numpy", "other[x]; python_version > \'3\'"]'), declaring('["numpy"]')),
    "E_ARCH_MSG_TOPIC_UNKNOWN": (named("Envelope('ordrs', b'', b'')"), named("Envelope('orders', b'', b'')")),
    "E_ARCH_MSG_PROFILE_UNKNOWN": (
        named("open_driver('kafka', profile='local_dv_v1')"),
        named("open_driver('kafka', profile='local_dev_v1')"),
    ),
    "E_ARCH_MSG_DRIVER_PROFILE": (
        driven('{"profiles": [{"id": "local", "size": "one"}]}'),
        driven('{"profiles": [{"id": "local", "size": 1}]}'),
    ),
    "E_ARCH_MSG_SUBJECTS": (
        pinned('"int"', references=[{"name": "a", "subject": "other", "version": 1}]),
        pinned('"int"', references=[]),
    ),
    "E_ARCH_MSG_SUBJECT_SCHEMA": (pinned('"itn"'), pinned('"int"')),
    "E_ARCH_MSG_SUBJECT_INCOMPATIBLE": (pinned('"long"', '"int"'), pinned('"int"', '"long"')),
    "E_ARCH_MSG_SUBJECT_LIBRARY": (pinned('"int"', missing="fastavro"), pinned('"int"')),
    "E_ARCH_MSG_SERVICE": (served("ordrs"), served("orders")),
    "E_ARCH_EXCEPTION_UNUSED": (
        tree(manifest(node("a"), exceptions=[_EXCUSED]), {"a.py": ""}),
        tree(manifest(node("a"), exceptions=[_EXCUSED]), {"a.py": "import other\n"}),
    ),
    "E_ARCH_ALLOW_REASON": (
        tree(manifest(node("a", "solve-pure")), {"a.py": "open('x')  # x07: allow files\n"}),
        tree(manifest(node("a", "solve-pure")), {"a.py": "open('x')  # x07: allow files -- a fixture\n"}),
    ),
    "E_ARCH_NO_MODULES": (tree(manifest(node("a")), {}), tree(manifest(), {})),
    "E_ARCH_IMPORT_BEYOND_TOP": (
        tree(manifest(node("a")), {"a/__init__.py": "", "a/b.py": "from ..c import d\n"}),
        tree(manifest(node("a")), {"a/__init__.py": "", "a/b.py": "from . import c\n"}),
    ),
    "E_ARCH_IMPORT_AMBIGUOUS": (
        tree(manifest(node("a"), node("one"), node("two"), scan=_TWO), {**_BOTH, "a.py": "import t\n"}),
        tree(manifest(node("a"), node("one"), node("two"), scan=_TWO), {**_BOTH, "a.py": ""}),
    ),
    "E_ARCH_INIT_EMPTY": (raised(first_manifest), raised(lambda root: first_manifest(write_module(root)))),
    "E_ARCH_INIT_EXISTS": (
        raised(lambda root: first_manifest(write(root, manifest(), {"a.py": ""}))),
        raised(lambda root: first_manifest(write_module(root))),
    ),
    "E_ARCH_PROFILE_WORLD": (profiled("sandbox", "run-os"), profiled("sandbox", "solve-rr")),
    "W_ARCH_PROFILE_WORLD": (profiled("safe-worker", "run-os"), profiled("os-worker", "run-os")),
    "E_ARCH_ROOT": (
        raised(lambda root: project_folder(root / "x", MANIFEST_PATH)),
        raised(lambda root: project_folder(root, MANIFEST_PATH)),
    ),
    "E_ARCH_SETTINGS": (
        raised(lambda root: run(configured(root, "self_edges = 1"))),
        raised(lambda root: run(configured(root, "self_edges = true"))),
    ),
}


def write_module(root: Path) -> Path:
    (root / "a.py").write_text("")
    return root


def configured(root: Path, line: str) -> Path:
    (root / "pyproject.toml").write_text(f"[tool.x07.arch]\n{line}\n")
    return write(root, manifest())


def lock_edited(name: str, change: Callable[[Any], object]) -> Found:
    def found(root: Path) -> list[str]:
        contracts_project(root)
        edit(root, name, change)
        return codes(run(root))

    return found


ROWS["E_ARCH_CONTRACTS_LOCK_MISMATCH"] = lock_edited(MSG, put(*_SIZE, 5)), lock_edited(MSG, lambda _: None)


def relocked(change: Callable[[Any], object]) -> Found:
    def found(root: Path) -> list[str]:
        contracts_project(root)
        edit(root, MSG, change)
        return codes(run(root, write_lock=True))

    return found


ROWS["W_ARCH_LOCK_NOT_WRITTEN"] = relocked(put(*_SIZE, 0)), relocked(put(*_SIZE, 5))


def module_link(target: str) -> Found:
    """A project with a link below it, and a module beside it."""

    def found(root: Path) -> list[str]:
        (root / "p").mkdir()
        write(root / "p", manifest(node("a")), {"a.py": ""})
        (root / "outside.py").write_text("")
        (root / "p/linked.py").symlink_to(target)
        return codes(run(root / "p"))

    return found


def module_compiled(*names: str) -> Found:
    """A project with compiled files."""

    def found(root: Path) -> list[str]:
        write(root, manifest(node("a")), {"a.py": ""})
        for name in names:
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(b"1234\0\0\0\0")
        return codes(run(root))

    return found


ROWS["E_ARCH_MODULE_COMPILED"] = module_compiled("b.pyc"), module_compiled("a.pyc", "__pycache__/a.cpython-311.pyc")
ROWS["E_ARCH_MODULE_LINK"] = module_link("../outside.py"), module_link("a.py")
ROWS["W_ARCH_MODULE_LINK"] = module_link("a.py"), module_link("nowhere.py")


def opening(kind: str, world: str = "run-os") -> Found:
    """A project whose lock holds Kafka's driver, with code that opens one."""

    def found(root: Path) -> list[str]:
        (root / "pyproject.toml").write_text('[project]\nname = "shop"\n')
        pkg(root, "add", "kafka")
        externals = {"allowed_import_prefixes": ["x07py"], "allowed_exact": []}
        text = f"from x07py import open_driver\n\nopened = open_driver({kind!r}, profile='x')\n"
        write(root, manifest(node("a", world), externals=externals), {"a.py": text})
        return codes(run(root))

    return found


ROWS["E_ARCH_DRIVER_WORLD"] = opening("kafka", "solve-fs"), opening("kafka", "solve-rr")
ROWS["W_ARCH_PACKAGE_UNUSED"] = opening("amqp"), opening("kafka")


def unlocked(name: str) -> Found:
    def found(root: Path) -> list[str]:
        contracts_project(root)
        (root / name).unlink()
        return codes(run(root))

    return found


ROWS["W_ARCH_CONTRACTS_LOCK_MISSING"] = unlocked(CONTRACTS_LOCK), unlocked(LOCK)


def held(text: str, *, update: bool = True) -> Found:
    """Accept one finding in a baseline, then change the module."""

    def found(root: Path) -> list[str]:
        write(root, manifest(node("a")), {"a.py": "import numpy\n"})
        if update:
            hold(run(root), root / "base.json", update=True)
        (root / "a.py").write_text(text)
        return codes(hold(run(root), root / "base.json", update=False))

    return found


ROWS["W_ARCH_BASELINE_STALE"] = held("import json\n"), held("import json, numpy\n")
ROWS["E_ARCH_BASELINE"] = (
    raised(held("", update=False)),
    raised(held("", update=True)),
)


def patched(pointer: str) -> Callable[[Path], object]:
    """Apply a repair to a manifest that may not be what the check read."""
    change = {"op": "replace", "path": pointer, "value": "new"}
    return lambda root: apply(write(root, manifest()), [Patch(MANIFEST_PATH, (change,), "note")])


ROWS["E_ARCH_PATCH_FAILED"] = raised(patched("/repo/name")), raised(patched("/repo/id"))


def cloned(ref: str) -> Callable[[Path], object]:
    def act(root: Path) -> object:
        env = {**os.environ, "GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e", "GIT_COMMITTER_NAME": "n"}
        env |= {"GIT_COMMITTER_EMAIL": "e", "GIT_CONFIG_GLOBAL": os.devnull}
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"]):
            subprocess.run(["git", *command], cwd=root, check=True, env=env)
        return changed_since(root, ref)

    return act


ROWS["E_ARCH_CHANGED"] = raised(cloned("none")), raised(cloned("HEAD"))


def recorded(data: bytes, *, accepted: bool = False) -> Callable[[Path], set[str]]:
    """Check a project with a recording of `data`, and secrets asked for."""

    def act(root: Path) -> set[str]:
        write(root, manifest(node("a")), {"a.py": ""})
        (root / ".x07_rr").mkdir()
        (root / ".x07_rr" / "c.x07rr.bin").write_bytes(data)
        if accepted:
            row = {"file": ".x07_rr/c.x07rr.bin", "rule": "random-text", "fingerprint": "0" * 16, "reason": "gone"}
            baseline = {"accepted": [row], "schema_version": BASELINE_SCHEMA}
            (root / ".x07_rr" / BASELINE).write_text(json.dumps(baseline))
        return {row.code for row in check(Request(root, MANIFEST_PATH, recordings=True)).findings}

    return act


_TOKEN = b"it is gh" + b"p_" + b"aZ09" * 9
ROWS["E_ARCH_SECRET_IN_RECORDING"] = recorded(framed(entry(resp=_TOKEN))), recorded(framed(entry(resp=b"it is")))
ROWS["E_ARCH_RECORDING_UNREAD"] = recorded(framed(entry())[:-3]), recorded(framed(entry()))


def test_an_acceptance_of_nothing_is_a_finding(tmp_path: Path) -> None:
    assert recorded(framed(entry()), accepted=True)(tmp_path) == {"E_ARCH_EXCEPTION_UNUSED"}


@pytest.mark.parametrize("code", ROWS)
def test_a_code_and_its_near_miss(code: str, tmp_path: Path) -> None:
    broken, near = tmp_path / "broken", tmp_path / "near"
    for folder in (broken, near):
        folder.mkdir()
    assert code in ROWS[code][0](broken)
    assert code not in ROWS[code][1](near)


def test_every_code_has_a_row() -> None:
    table = tomllib.loads((files("x07py.codes") / "arch.toml").read_text())
    listed = {row["id"] for row in table["code"]}
    assert set(ROWS) | set(CASES) == listed  # those of the graph stand in test_graph
