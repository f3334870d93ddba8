"""``x07 rr scan`` and ``x07 rr redact``: secrets that were recorded are found, accepted with a reason, taken out."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.cli.test_bad_input import refused
from tests.rr.builders import entry, stored
from tests.support.project import REPOSITORY, x07
from x07py import Envelope
from x07py.rr import Cassette

TOKEN = "gh" + "p_" + "aZ09" * 9
NAME = "c.x07rr.bin"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / ".x07_rr").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str, code: int) -> str:
    result = x07("rr", *args, cwd=Path.cwd())
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize(
    "text",
    [
        TOKEN.encode(),
        base64.b64encode(b"u:" + TOKEN.encode()),
        json.dumps({"a": json.dumps({"b": TOKEN})}).encode(),
        b"AKIA" + b"ABCDEFGHIJ234567",
        b"amqps://app:s3cr3tword@rabbit.example",
        b"-----BEGIN RSA PRIVATE KEY-----",
        b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbU",
        b"sk_" + b"live_" + b"4eC39HqLyjWDarjtT1zdp7dc",
        b"q8Zr3Kx0Vb7Tn5Wc2Yj9Lm4Hd6Fs1Gp",
    ],
)
def test_what_looks_like_a_secret_is_found_and_not_shown(project: Path, text: bytes) -> None:
    stored(project, entry(req=b"harmless"), entry(resp=b"it is: " + text))
    output = run("scan", code=1)
    assert "entry 1, resp" in output
    assert text.decode() not in output
    report = json.loads(run("scan", "--format", "json", code=1))
    schema = json.loads((REPOSITORY / "schemas" / "x07.rr.scan.report.schema.json").read_text())
    Draft202012Validator(schema).validate(report)


def test_ordinary_recordings_have_none(project: Path) -> None:
    body = b'{"id":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","at":"2026-01-01T00:00:00Z","sha":"%s"}' % (b"0a1b2c3d" * 8)
    stored(project, entry(req=Envelope("orders", b"k", body, {"traceparent": "00-" + "4bf92f35" * 4}).encode()))
    assert "0 findings" in run("scan", code=0)


def test_a_known_value_is_found_in_a_text_side(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_PASSWORD", "a known value of it")
    side = project / ".x07_rr" / "c.x07rr.md"
    side.write_text("# recording\n\na%20known%20value%20of%20it\n")
    assert "line 3: known-value" in run("scan", str(side), code=1)


def test_findings_are_accepted_with_a_reason_and_stale_ones_told(project: Path) -> None:
    stored(project, entry(req=TOKEN.encode()))
    run("scan", "--accept", "a token of the provider's tests", code=0)
    assert "0 findings" in run("scan", code=0)
    baseline = project / ".x07_rr" / "scan.baseline.json"
    assert json.loads(baseline.read_text())["accepted"][0]["reason"] == "a token of the provider's tests"
    stored(project, entry(req=b"nothing"))
    assert "accepted and not there" in run("scan", code=1)
    baseline.write_text(baseline.read_text().replace("a token of the provider's tests", " "))
    refused("rr", "scan", cwd=project, code="X07RR_BASELINE")


def test_redact_rewrites_a_recording_and_its_text_side(project: Path) -> None:
    message = Envelope("orders", b"k", b'{"mail":"me@example.org","n":1}', {"authorization": "Bearer abc"})
    path = stored(project, entry(req=message.encode(), resp=b"{}"))
    before = path.read_bytes()
    run("redact", NAME, "--check", code=1)
    assert path.read_bytes() == before
    report = json.loads(run("redact", NAME, "--field", "$.mail", "--format", "json", code=0))
    schema = json.loads((REPOSITORY / "schemas" / "x07.rr.redact.report.schema.json").read_text())
    Draft202012Validator(schema).validate(report)
    assert report["changed"] == [0]
    (one,) = Cassette.load(path).entries
    assert Envelope.decode(one.req).value == b'{"mail":"<redacted>","n":1}'
    assert "me@example" not in path.with_suffix(".md").read_text()
    assert "no entry" in run("redact", NAME, "--field", "$.mail", code=0)
    run("verify", NAME, code=0)
