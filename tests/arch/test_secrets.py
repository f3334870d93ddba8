"""Passwords and keys in modules: found where they are real, passed over where they stand for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.arch.trees import codes, manifest, node, run, write
from tests.support.project import x07
from x07py.arch.scan.secrets import secret_offsets

REAL = (
    "amqps://billing:hunter22@rabbit.shop.internal:5671/",
    "kafka://u:p%40ss@10.0.0.7",
    "# was http://me:hunter22@proxy:3128",
    "{'sasl.username': 'u', 'sasl.password': 'hunter22'}",
    'config.set("ssl.key.password", "hunter22")',
    "Consumer(sasl_plain_password='hunter22')",
    "'''-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq'''",
    r"'-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA7bq'",
)
PLACEHOLDERS = (
    "amqp://guest:guest@rabbit/",
    "amqp://{user}:{password}@rabbit/",
    "amqp://user:password@rabbit/",
    "https://jo%40mail:a%20secret@somewhere.org/",
    "amqp://$USER:$PASS@rabbit/",
    "amqp://u:***@rabbit/",
    "amqp://u:hunter22@localhost:5672/",
    "amqp://u:hunter22@[::1]/",
    "https://u:hunter22@api.example.com/",
    "https://host:8080/@handle",
    "http://a.com:123,foo:bar@b.com",
    "{'sasl.password': os.environ['PASSWORD']}",
    "{'sasl.password': '<secret>'}",
    "'-----BEGIN PRIVATE KEY-----' in text",
    "-----BEGIN PUBLIC KEY-----\nMIIEowIBAAKCAQEA7bq",
    "mail me@example.org: 'https://x/y'",
)


@pytest.mark.parametrize("text", REAL)
def test_a_secret_is_found(text: str) -> None:
    assert len(secret_offsets(f"x = 1\n{text}\n")) == 1


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_what_stands_for_one_is_not(text: str) -> None:
    assert secret_offsets(text) == ()


@given(st.text(alphabet="a:/@'\"{}[] \n.password-KEYBGIN", max_size=200))
def test_any_text_is_read(text: str) -> None:
    offsets = secret_offsets("://" + text)
    assert list(offsets) == sorted(offsets)


def test_the_finding_says_where_and_not_what(tmp_path: Path) -> None:
    write(tmp_path, manifest(node("a")), {"a.py": f"import json\nURL = '{REAL[0]}'\n"})
    for kind in ("text", "json", "sarif", "github"):
        done = x07("arch", "check", "--format", kind, cwd=tmp_path)
        assert done.returncode == 2
        assert "E_ARCH_SECRET_IN_MODULE" in done.stdout
        assert "hunter22" not in done.stdout + done.stderr
    [row] = run(tmp_path).findings
    assert (row.path, row.line, row.column) == ("a.py", 2, 13)


def test_modules_of_the_reference_are_read_too(tmp_path: Path) -> None:
    module = {"kind": "module", "module_id": "a", "imports": [], "decls": [{"text": REAL[0]}]}
    write(tmp_path, manifest(node("a")), {"a.x07.json": json.dumps(module)})
    assert codes(run(tmp_path)) == ["E_ARCH_SECRET_IN_MODULE"]
