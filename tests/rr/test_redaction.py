"""What is not written: by names, at any depth, in values of every type, and by paths of JSON."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pamqp import decode, encode
from pamqp.commands import Basic

from tests.rr.builders import config, entry, framed
from x07py import Envelope
from x07py.contracts.rr import Sanitizer
from x07py.drivers.amqp_native import from_amqp, to_amqp
from x07py.errors import CassetteError, UsageError
from x07py.msg import from_native, to_native
from x07py.rr import Cassette, Mode, Session
from x07py.rr.old_entries import redacted_cassette
from x07py.rr.redaction import Redaction, checked_paths, redaction_of
from x07py.rr.secret_names import is_secret_name

SECRET = "tok-SECRETabcdef0123456789"
USUAL = Redaction()


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "x-api-key", "X-Auth-Token", "apiKey", "token",
        "idToken", "access_token", "password", "sasl.password", "ssl_key_password", "secret", "clientSecret", "PASSWD",
        "sasl.jaas.config", "AWS_SECRET_ACCESS_KEY", "private_key", "credentials", "JWT", "session-id", "refresh_token",
        "DB_PASSWORD_1", "token2", "api_key_v2", "authorizationHeader", "tokenValue", "secret_b64", "passcode",
    ],
)  # fmt: skip
def test_the_usual_names_are_hidden_without_being_listed(name: str) -> None:
    assert is_secret_name(name)
    assert SECRET not in repr(USUAL.envelope(Envelope("t", b"", json.dumps({name: SECRET}).encode(), {name: SECRET})))
    assert SECRET not in repr(USUAL.document({"arguments": {name: SECRET}, "pairs": [[name, [SECRET]]]}))


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "passenger",
        "author",
        "keyboard",
        "tokenizer",
        "secretary",
        "page_token",
        "max_tokens",
        "x-id",
        "",
        "value",
        "header2",
        "v2",
    ],
)
def test_names_that_only_look_alike_are_kept(name: str) -> None:
    plain = Envelope("t", b"", json.dumps({name: "value"}).encode(), {name or "n": "value"})
    assert USUAL.envelope(plain) is plain


def test_a_kept_name_is_kept_and_a_named_one_hidden() -> None:
    envelope = Envelope("t", b"", b'{"token":"a","Reply":{"x":[1,null]}}', {"token": "a", "REPLY": "b"})
    clean = Redaction(frozenset({"reply"}), keep=frozenset({"token"})).envelope(envelope)
    assert clean.value == b'{"token":"a","Reply":{"x":["<redacted>",null]}}'
    assert dict(clean.headers) == {"token": "a", "REPLY": "<redacted>"}


def test_headers_of_kafka_that_repeat_or_are_binary() -> None:
    sent = [("authorization", b"Bearer abc"), ("Authorization", b"\xff\xfe"), ("authorization", None), ("a", b"\xff")]
    headers = to_native(USUAL.envelope(from_native("t", b"k", b"v", sent)))[2]
    assert sorted(headers, key=repr) == sorted(
        [("authorization", b"<redacted>"), ("Authorization", b"<redacted>"), ("authorization", None), ("a", b"\xff")],
        key=repr,
    )


@pytest.mark.parametrize(
    "table",
    [
        {"authorization": SECRET},
        {"authorization": bytearray(SECRET.encode())},
        {"authorization": [SECRET, {"x": SECRET}]},
        {"nested": {"authorization": SECRET, "deeper": [{"api-key": bytearray(SECRET.encode())}]}},
        {"x-death": [{"queue": "q", "authorization": SECRET}]},
        {"payload": bytearray(json.dumps({"password": SECRET}).encode())},
    ],
)
def test_headers_of_amqp_of_every_type(table: dict[str, Any]) -> None:
    clean = USUAL.envelope(from_amqp("q", b"", Basic.Properties(headers=table)))
    assert SECRET not in repr(to_amqp(clean)[1].headers)
    assert "redacted" in repr(to_amqp(clean)[1].headers)
    assert USUAL.envelope(clean) is clean
    assert USUAL.hidden_in(clean)


def test_properties_of_amqp_are_hidden_by_their_names() -> None:
    rules = Redaction(frozenset({"user-id", "reply-to"}))
    clean = rules.envelope(from_amqp("q", b"", Basic.Properties(user_id=SECRET, reply_to=SECRET, app_id="a")))
    properties = to_amqp(clean)[1]
    assert (properties.user_id, properties.reply_to, properties.app_id) == ("<redacted>", "<redacted>", "a")


def test_json_keeps_every_byte_that_is_not_hidden() -> None:
    value = (
        b'{"n": 1.50, "big":1000000000000000000001, "token" : "a\\"b", "list":[{"email":"e"},{"email":"f"}], "d":"e"}'
    )
    rules = Redaction(paths=("$.list[1].email", "$..missing"))
    assert rules.envelope(Envelope("t", value, value)).value == value.replace(b'"a\\"b"', b'"<redacted>"').replace(
        b'"f"', b'"<redacted>"'
    )


@pytest.mark.parametrize(
    "value",
    [
        b'{"inner":"{\\"token\\":\\"%s\\"}"}',
        b'{"t\\u006fken":"%s"}',
        b' \n[{"a":{"b":[{"secret":{"c":"%s"}}]}}]',
        b'{"a":1}\n{"password":"%s"}\n',
        b'{"password":"%s',
        b"[" * 5000 + b'{"password":"%s"}',
        b'"{\\"password\\":\\"%s\\"}"',
        b' "\\"{\\\\\\"password\\\\\\":\\\\\\"%s\\\\\\"}\\""',
        b'\xef\xbb\xbf{"password":"%s"}',
        b'\0\0\0\0\x07{"password":"%s"}',
    ],
    ids=[
        "json in json",
        "escaped name",
        "nested",
        "lines",
        "cut off",
        "deep",
        "json as a text",
        "twice",
        "mark",
        "framed",
    ],
)
def test_json_of_every_shape(value: bytes) -> None:
    assert SECRET.encode() not in USUAL.envelope(Envelope("t", b"", value % SECRET.encode())).value


@pytest.mark.parametrize(
    "value",
    [
        b'{"a":{"mail":"%s"}}',
        b'{"a":1}\n{"a":{"mail":"%s"}}',
        b'{"a":{"mail":"%s"}} and more',
        b'\xef\xbb\xbf{"a":{"mail":"%s"}}',
        b'\0\0\0\0\x07{"a":{"mail":"%s"}}',
        b'"{\\"a\\":{\\"mail\\":\\"%s\\"}}"',
    ],
)
def test_a_path_finds_its_value_in_json_of_every_shape(value: bytes) -> None:
    rules = Redaction(paths=("$.a.mail",))
    assert SECRET.encode() not in rules.envelope(Envelope("t", b"", value % SECRET.encode())).value


def test_arguments_and_results_that_hold_json_or_names_as_bytes() -> None:
    coded = {"$bytes": base64.b64encode(b'{"private_key":"%s"}' % SECRET.encode()).decode()}
    name = {"$bytes": base64.b64encode(b"authorization").decode()}
    for one in ([coded], [[name, SECRET]], [f'{{"cookie": "{SECRET}"}}'], {"deep": [{"more": coded}]}):
        clean = USUAL.document(one)
        assert SECRET not in repr(clean)
        assert base64.b64encode(SECRET.encode()).decode()[:12] not in repr(clean)
        assert not any(
            SECRET.encode() in base64.b64decode(text) for text in re.findall(r"'([\w+/]{20,}=*)'", repr(clean))
        )
    plain = [{"$bytes": base64.b64encode(b'{"id":1}').decode()}, {"$bytes": "no Base64"}, '{"id":1}']
    assert USUAL.document(plain) == plain


def test_topic_and_queue_arguments_and_configurations() -> None:
    asked = {
        "topics": [{"name": "orders", "configs": [{"name": "sasl.jaas.config", "value": SECRET}]}],
        "resources": [["ssl.keystore.password", SECRET]],
        "arguments": {"x-message-ttl": 5, "auth": {"token": {"$bytes": base64.b64encode(SECRET.encode()).decode()}}},
    }
    clean = USUAL.document(asked)
    assert SECRET not in repr(clean)
    assert base64.b64encode(SECRET.encode()).decode() not in repr(clean)
    assert clean["topics"][0]["name"] == "orders"
    assert clean["arguments"]["x-message-ttl"] == 5


@pytest.mark.parametrize(
    "text",
    [
        f"cannot reach amqp://user:{SECRET}@host/",
        f"SASL failed: password={SECRET}; user=u",
        f"Authorization: Bearer {SECRET}",
        f"api_key: '{SECRET}'",
        f'"client_secret": "{SECRET} and more"',
        f"redis://:{SECRET}@host/0",
        f"https://{SECRET}@github.com/a/b",
        f"amqp://user:a@{SECRET}@host/",
        f"dbPassword={SECRET}",
        f"access_key={SECRET}",
        f"authorization={SECRET}",
        f"cookie: {SECRET}",
        f"authorization=Bearer {SECRET}",
    ],
)
def test_texts_of_errors(text: str) -> None:
    assert SECRET not in USUAL.text(text)
    assert USUAL.text("queue 'token' in vhost '/' is full") == "queue 'token' in vhost '/' is full"


def test_equal_values_stay_equal_under_a_salt() -> None:
    rules = redaction_of(Sanitizer("s", frozenset(), "<redacted>", "pepper", ("$.id",)))
    one, same, other = (
        rules.envelope(Envelope("t", b"", b'{"id":"%s"}' % v, {"token": "x"})) for v in (b"x", b"x", b"y")
    )
    assert one == same != other
    assert rules.envelope(one) == one


def test_a_path_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        checked_paths(["$.a[", "$.b"])
    assert caught.value.code == "X07_CASSETTE_PATH"


def test_a_recording_with_old_entries_is_refused_until_it_is_rewritten(tmp_path: Path) -> None:
    table = base64.b64encode(encode.field_table({"secret-word": [SECRET]})).decode()
    env = Envelope("t", b"k", b'{"mail":"me@example.org"}', {"x07-amqp-headers": table}).encode()
    path = tmp_path / ".x07_rr" / "c.x07rr.bin"
    path.parent.mkdir()
    path.write_bytes(framed(entry(req=env), entry(req=b'{"arguments":{"x":1}}')))
    rules = Redaction(frozenset({"secret-word"}), ("$.mail",))
    with Session(config(Mode.RECORD_MISSING), tmp_path):
        pass
    with pytest.raises(CassetteError) as caught, Session(config(Mode.RECORD_MISSING), tmp_path, redaction=rules):
        pass
    assert caught.value.code == 2065
    new, changed = redacted_cassette(path.read_bytes(), rules)
    assert changed == [0]
    clean = Envelope.decode(Cassette.load(new).entries[0].req)
    assert clean.value == b'{"mail":"<redacted>"}'
    assert decode.field_table(base64.b64decode(clean.headers["x07-amqp-headers"]))[1] == {"secret-word": ["<redacted>"]}
    assert redacted_cassette(new, rules) == (new, [])


def test_arguments_of_a_command_line() -> None:
    argv = [
        "p.py",
        "--password",
        SECRET,
        "--api-key=" + SECRET,
        "-v",
        "--url",
        f"amqp://u:{SECRET}@h/",
        "token",
        "TOKEN=" + SECRET,
    ]
    shown = USUAL.arguments(argv)
    assert SECRET not in repr(shown)
    assert shown[:2] == ["p.py", "--password"]
    assert shown[4:6] == ["-v", "--url"]
    assert USUAL.arguments(["--token", "--count", "100"]) == ["--token", "--count", "100"]
