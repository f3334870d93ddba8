"""The guard finds what it knows in whatever encoding it stands, and costs what the data costs."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import json
import lzma
import os
import quopri
import time
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import cramjam
import pytest

from tests.rr.builders import entry, opened
from x07py.errors import CassetteError
from x07py.msg import Envelope
from x07py.rr import Mode, guard
from x07py.rr.guard import refuse_secrets, register_secret, secret_in

SECRETS = {
    "plain": "correcthorsebattery",
    "punctuation": "p@ss!w/ord &<x>7+;=?%",
    "accents": 's3cret-"v\u00e4lue \u00e9\u00df?>',
    "other letters": "\u043f\u0430\u0440\u043e\u043b\u044c-\u79d8\u5bc6",
    "token": "tok-SECRETabcdef0123456789",
    "github": "ghp_" + "aZ09" * 9,
    "aws": "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbU",
    "pem": "-----BEGIN PRIVATE KEY-----\nMIIBVQIBADANBgkqhkiG9w0BAQ\nEFAASCAT8\n-----END PRIVATE KEY-----",
    "digits": "90210443355",
    "short": "Zq9!x",
    "emoji": "hunter2\U0001f511",
}
_JSON = json.dumps
ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "percent": lambda s: quote(s).encode(),
    "percent, nothing safe": lambda s: quote(s, safe="").encode(),
    "percent, lower": lambda s: b"".join(b"%%%02x" % byte for byte in s.encode()),
    "percent twice": lambda s: quote(quote(s, safe=""), safe="").encode(),
    "form": lambda s: quote_plus(s).encode(),
    "encodeURIComponent": lambda s: quote(s, safe="!~*'()").encode(),
    "JSON": lambda s: _JSON(s).encode(),
    "JSON, raw": lambda s: _JSON(s, ensure_ascii=False).encode(),
    "JSON in JSON": lambda s: _JSON(_JSON({"a": s})).encode(),
    "JSON of PHP": lambda s: _JSON(s).replace("/", "\\/").encode(),
    "JSON of Go": lambda s: _JSON(s).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003E").encode(),
    "HTML": lambda s: html.escape(s).encode(),
    "HTML numbers": lambda s: "".join(f"&#{ord(c)};" for c in s).encode(),
    "UTF-16": lambda s: s.encode("utf-16"),
    "UTF-16 BE": lambda s: s.encode("utf-16-be"),
    "NFD": lambda s: unicodedata.normalize("NFD", s).encode(),
    "Base64": lambda s: base64.b64encode(s.encode()),
    "Base64 of URLs": lambda s: base64.urlsafe_b64encode(s.encode()).rstrip(b"="),
    "Base64 behind a user": lambda s: b"Basic " + base64.b64encode(b"user:" + s.encode()),
    "Base64, wrapped": lambda s: base64.encodebytes(b"x" * 50 + s.encode() + b"y" * 50),
    "Base64, wrapped with CR": lambda s: base64.encodebytes(b"x" * 50 + s.encode()).replace(b"\n", b"\r\n "),
    "Base64 twice": lambda s: base64.b64encode(base64.b64encode(b"u:" + s.encode())),
    "Base64 in JSON": lambda s: _JSON({"a": base64.b64encode(s.encode()).decode()}).replace("/", "\\/").encode(),
    "Base64 of JSON": lambda s: base64.b64encode(_JSON({"k": s}).encode()),
    "Base64 in a URL": lambda s: quote(base64.b64encode(s.encode()), safe="").encode(),
    "hexadecimal": lambda s: s.encode().hex().encode(),
    "hexadecimal, upper": lambda s: s.encode().hex(":").upper().encode(),
    "Base32": lambda s: base64.b32encode(s.encode()),
    "quoted-printable": lambda s: quopri.encodestring(s.encode()),
    "gzip": lambda s: gzip.compress(b"before " + s.encode()),
    "zlib": lambda s: zlib.compress(_JSON({"k": s}).encode()),
    "gzip in Base64": lambda s: base64.b64encode(gzip.compress(s.encode())),
    "Base64 in gzip": lambda s: gzip.compress(base64.b64encode(s.encode())),
    "bzip2": lambda s: bz2.compress(_JSON({"k": s}).encode()),
    "xz": lambda s: lzma.compress(_JSON({"k": s}).encode()),
    "Zstandard": lambda s: bytes(cramjam.zstd.compress(_JSON({"k": s}).encode())),
    "LZ4": lambda s: bytes(cramjam.lz4.compress(_JSON({"k": s}).encode())),
    "Snappy": lambda s: bytes(cramjam.snappy.compress(_JSON({"k": s}).encode())),
    "Zstandard in Base64": lambda s: base64.b64encode(bytes(cramjam.zstd.compress(s.encode()))),
    "Base85": lambda s: base64.b85encode(s.encode()),
    "Ascii85": lambda s: base64.a85encode(s.encode(), adobe=True),
    "Ascii85 in JSON": lambda s: _JSON({"a": base64.a85encode(s.encode()).decode()}).encode(),
    "numbers, as of Node's Buffer": lambda s: _JSON({"type": "Buffer", "data": list(s.encode())}).encode(),
    "numbers, as of Java": lambda s: _JSON([(one + 128) % 256 - 128 for one in s.encode()], indent=4).encode(),
    "escapes, as of C": lambda s: b"".join(b"\\x%02x" % one for one in s.encode()),
}


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    derived: tuple[list[Any], ...] = guard._wanted, guard._base85, guard._whole
    before = dict(guard._secrets), *(list(one) for one in derived)
    guard._secrets.clear()
    for one in derived:
        one.clear()
    yield
    guard._secrets.clear()
    guard._secrets.update(before[0])
    guard._wanted[:], guard._base85[:], guard._whole[:] = before[1:]


@pytest.mark.parametrize("shape", SECRETS)
def test_a_secret_is_found_in_every_encoding(shape: str) -> None:
    register_secret("db", SECRETS[shape])
    missed = []
    for name, encoded in ENCODINGS.items():
        if secret_in(entry(req=b"a field, then <" + encoded(SECRETS[shape]) + b"> and more").encode()) != "db":
            missed.append(name)
        assert secret_in(entry(req=b"a field, then <" + encoded("harmless words") + b"> and more").encode()) is None
    assert missed == []


@pytest.mark.parametrize("shape", SECRETS)
def test_a_secret_is_found_in_every_encoding_within_base64(shape: str) -> None:
    """Values of RabbitMQ's headers that are no text are written so. Five bytes in Base64 twice are not seen."""
    register_secret(shape, SECRETS[shape])
    missed = [
        name
        for name, encode in ENCODINGS.items()
        if not (shape == "short" and name.startswith("Base64"))
        and secret_in(_JSON({"h": base64.b64encode(b"<" + encode(SECRETS[shape]) + b">").decode()}).encode()) != shape
    ]
    assert not missed


@pytest.mark.parametrize("name", ["latin-1", "cp1252"])
def test_accents_are_found_in_older_character_sets(name: str) -> None:
    register_secret("db", SECRETS["accents"])
    assert secret_in(b"x" + SECRETS["accents"].encode(name)) == "db"


def test_nothing_of_a_refused_entry_reaches_the_file_or_the_error(tmp_path: Path) -> None:
    register_secret("db", SECRETS["token"])
    with opened(tmp_path, Mode.RECORD) as session:
        with pytest.raises(CassetteError) as caught:
            session.append(entry(resp=base64.b64encode(SECRETS["token"].encode())))
        assert caught.value.code == 2056
        assert "SECRET" not in str(caught.value)
        session.append(entry(req=b"harmless"))
    assert len(list((tmp_path / ".x07_rr").glob("*.bin"))) == 1


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"])
def test_base85_is_found_at_every_offset(before: bytes) -> None:
    register_secret("db", SECRETS["token"])
    for encode in (base64.b85encode, base64.a85encode):
        assert secret_in(b"text " + encode(before + SECRETS["token"].encode() + b" and more")) == "db"
    assert secret_in(b"text 3kLu7k#D>y" + encode(before + b"harmless, but as long as it is")) is None


BROTLI: dict[str, Callable[[bytes], bytes]] = {
    "a value": lambda stream: Envelope("orders", b"k", stream, {"a": "b"}).encode(),
    "an entry in an entry": lambda stream: entry(
        key="k", resp=Envelope("o", b"k", stream, {"a": "b"}).encode()
    ).encode(),
    "a body of HTTP": lambda stream: _JSON({"status": 200, "bytes": base64.b64encode(stream).decode()}).encode(),
    "Base64 of URLs": lambda stream: _JSON({"a": base64.urlsafe_b64encode(stream).decode()}).encode(),
    "a request": lambda stream: stream,
}


@pytest.mark.parametrize("place", BROTLI)
@pytest.mark.parametrize("level", [0, 5, 11])
def test_brotli_is_looked_into_where_a_field_begins(place: str, level: int) -> None:
    register_secret("db", SECRETS["token"])
    words = " and ".join(f"{n} {n * n}" for n in range(200))
    for said in ('{"k": "%s"}', '{"k": "%s ' + words + '"}', words + "%s"):
        stream = bytes(cramjam.brotli.compress((said % SECRETS["token"]).encode(), level))
        assert secret_in(entry(req=BROTLI[place](stream)).encode()) == "db", (said[:20], stream[:3])
        harmless = bytes(cramjam.brotli.compress((said % "harmless").encode(), level))
        assert secret_in(entry(req=BROTLI[place](harmless)).encode()) is None


PIECES: dict[str, Callable[[str, str], bytes]] = {
    "fields": lambda a, b: _JSON({"a": a, "n": 5, "b": b}).encode(),
    "a list": lambda a, b: _JSON([a, b]).encode(),
    "a list of letters": lambda a, b: _JSON(list(a + b), ensure_ascii=False).encode(),
    "three of a list": lambda a, b: _JSON([a, b[:4], b[4:]], indent=2).encode(),
    "fields of JSON in JSON": lambda a, b: _JSON(_JSON({"a": a, "b": b})).encode(),
    "headers": lambda a, b: Envelope("orders", b"k", b"v", {"first": a, "second": b}).encode(),
    "key and value": lambda a, b: Envelope("orders", a.encode(), b.encode(), {}).encode(),
    "a long key and value": lambda a, b: Envelope("orders", b"k" * 300 + a.encode(), b.encode(), {}).encode(),
    "lines": lambda a, b: f"{a}\n{b}".encode(),
    "lines that are cited": lambda a, b: f"> {a}\n> {b}".encode(),
    "fields of a form": lambda a, b: f"a={quote(a, safe='')}&x=1&b={quote(b, safe='')}".encode(),
}


@pytest.mark.parametrize("shape", [name for name in SECRETS if name not in {"short", "plain", "digits"}])
def test_a_secret_in_pieces_is_found(shape: str) -> None:
    secret = SECRETS[shape]
    register_secret("db", secret)
    half = max(4, len(secret) // 2)
    for name, cut in PIECES.items():
        assert secret_in(entry(req=cut(secret[:half], secret[half:])).encode()) == "db", name
        assert secret_in(entry(req=cut(secret[:half], "another end of it")).encode()) is None, name


def test_words_of_a_weak_password_are_no_pieces_of_it() -> None:
    register_secret("db", "shop-password")
    register_secret("other", "orders2024")
    register_secret("words", "billingpassword")
    register_secret("numbered", "billing7")
    said = _JSON(
        {"topic": "shop-events", "shop": "billing", "password": "", "x-password": "", "n": 7, "at": "2024-01-01"}
    )
    assert secret_in(entry(req=said.encode(), op="shop", key="orders").encode()) is None


def test_a_secret_that_goes_on_in_the_next_message_is_found(tmp_path: Path) -> None:
    register_secret("db", SECRETS["token"])
    first, rest = SECRETS["token"][:11], SECRETS["token"][11:]
    with opened(tmp_path, Mode.RECORD) as session:
        session.append(entry(scope="a", req=f"first part: {first}".encode()))
        session.append(entry(scope="b", req=rest.encode()))  # of another stream
        with pytest.raises(CassetteError) as caught:
            session.append(entry(scope="a", req=f"{rest}, then more".encode()))
        assert caught.value.code == 2056
        session.append(entry(scope="a", req=b"harmless"))


def test_values_before_a_rotation_are_guarded_still() -> None:
    register_secret("db", "the first value")
    register_secret("db", "the second value")
    for value in (b"the first value", b"the second value"):
        with pytest.raises(CassetteError):
            refuse_secrets(b"..." + value)


def test_three_bytes_are_guarded_and_two_are_not() -> None:
    register_secret("pin", "q7#")
    register_secret("tiny", "ab")
    assert secret_in(b"pin=q7%23") == "pin"
    assert secret_in(b"pin=" + base64.b64encode(b"q7#")) == "pin"
    assert secret_in(b"ab") is None


def test_the_cost_grows_as_the_data_does() -> None:
    for number in range(20):
        register_secret(f"s{number}", f"a secret value {number} {number:040d}")
    for kind in (
        os.urandom(50_000).hex().encode(),
        base64.b64encode(os.urandom(75_000)),
        b"%2525" * 20_000,
        b"\\" * 100_000,
        b"x\x9c" * 50_000,
        b"\x28\xb5\x2f\xfd" * 25_000,
        b"a se," * 20_000,
        b"11," * 30_000,
    ):
        spent = []
        for times in (1, 10):
            began = time.process_time()
            assert secret_in(kind * times) is None
            spent.append(time.process_time() - began)
        assert spent[1] < 40 * spent[0] + 0.05, kind[:8]


def test_a_bomb_costs_its_bound() -> None:
    register_secret("db", SECRETS["plain"])
    bomb = gzip.compress(gzip.compress(b"\0" * 200_000_000))
    began = time.process_time()
    assert secret_in(bomb * 3) is None
    assert time.process_time() - began < 5
