"""``x07 msg``: envelopes in and out of their bytes, and the topic catalogue."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from x07py.cli.commands import Commands, argument, option
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.contracts.messaging import read_topics, topic_limits
from x07py.errors import FileError, UsageError
from x07py.files import replace_file
from x07py.msg import Envelope, check_topic
from x07py.rr.report import describe_message

app: Commands = Commands("Encode and decode messages; list topics.")
app.add(
    (
        ("topology", "x07py.cli.topology:app"),
        ("service", "x07py.cli.service:app"),
        ("schemas", "x07py.cli.schemas:app"),
        ("asyncapi", "x07py.cli.asyncapi:asyncapi"),
    )
)

FormatOption = Annotated[Format, option("--format", help="Text for people or JSON for programs.")]
MAX_INPUT = 256 * 1024 * 1024
"""Most bytes that a command reads as one message."""


class Encoding(StrEnum):
    """How bytes stand in text."""

    raw = "raw"
    hex = "hex"
    base64 = "base64"


def read_input(name: str) -> bytes:
    """Return the bytes of a file, or of standard input for ``-``.

    Raises:
        FileError: ``X07IO_MISSING`` or ``X07IO_READ``; ``X07IO_TOO_LARGE`` above 256 MiB.
    """
    try:
        if name == "-":
            data = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_INPUT + 1)
    except FileNotFoundError:
        raise FileError("X07IO_MISSING", "the file does not exist", where=name, hint="check the path") from None
    except OSError as error:
        raise FileError("X07IO_READ", f"cannot read: {error.strerror}", where=name, hint="check the path") from None
    if len(data) > MAX_INPUT:
        raise FileError("X07IO_TOO_LARGE", "more than 256 MiB", where=name, hint="one message is never so large")
    return data


@app.command()
def encode(
    topic: Annotated[str, option(help="Topic or routing key.", show_default=False)],
    key: Annotated[str, option(help="Partition key, as text.")] = "",
    value: Annotated[str | None, option(help="Body, as text.", show_default=False)] = None,
    value_file: Annotated[str | None, option(help="Body from a file, - for standard input.")] = None,
    header: Annotated[list[str] | None, option("--header", "-H", help="NAME=VALUE, repeatable.")] = None,
    output: Annotated[Path | None, option("--output", "-o", help="Write the bytes here.")] = None,
    encoding: Annotated[Encoding, option(help="How to print the bytes.")] = Encoding.hex,
    check: Annotated[bool, option(help="Check against the project's topic catalogue.")] = True,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Encode an envelope (X7ME).

    Example: x07 msg encode --topic orders --key k1 --value '{"id":1}' -H ce_id=1
    """
    if value is not None and value_file is not None:
        raise UsageError("X07_USAGE", "--value and --value-file contradict each other", hint="give one of them")
    body = read_input(value_file) if value_file is not None else (value or "").encode("utf-8", "surrogateescape")
    envelope = Envelope(topic, key.encode("utf-8", "surrogateescape"), body, _headers(header or []))
    if check:
        check_topic(envelope, topic_limits(find_root()))
    data = envelope.encode()
    if output is not None:
        replace_file(output, data)
    if format is Format.json:
        report = {"bytes": len(data), "sha256": envelope.digest(), "base64": base64.b64encode(data).decode()}
        print_json({"schema_version": "x07.msg.encode.report@0.1.0", "ok": True, **report})
    elif output is not None:
        console().print(f"{len(data)} bytes to {output}")
    elif encoding is Encoding.raw:
        sys.stdout.buffer.write(data)
    else:
        sys.stdout.write((data.hex() if encoding is Encoding.hex else base64.b64encode(data).decode()) + "\n")


def _headers(rows: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for row in rows:
        name, equals, text = row.partition("=")
        if not equals:
            raise UsageError("X07_USAGE", f"header {row!r} has no '='", hint="write --header NAME=VALUE")
        if name in headers:
            raise UsageError("X07_USAGE", f"header {name!r} is given twice", hint="an envelope has each name once")
        headers[name] = text
    return headers


@app.command()
def decode(
    file: Annotated[str, argument(help="A file, or - for standard input.")] = "-",
    encoding: Annotated[Encoding, option(help="How the input stands.")] = Encoding.raw,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Decode an envelope (X7ME) or a message record (X7MR).

    Example: x07 msg decode message.bin
    """
    kind, described = describe_message(_plain(read_input(file), encoding, file))
    if format is Format.json:
        print_json({"schema_version": "x07.msg.decode.report@0.1.0", "ok": True, "kind": kind, kind: described})
        return
    console().print(json.dumps(described, indent=2, ensure_ascii=False))


def _plain(data: bytes, encoding: Encoding, where: str) -> bytes:
    if encoding is Encoding.raw:
        return data
    try:
        text = b"".join(data.split())
        return binascii.unhexlify(text) if encoding is Encoding.hex else base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(
            "X07_USAGE", f"the input is not {encoding.value}: {error}", where=where, hint="choose --encoding"
        ) from None


@app.command()
def topics(format: FormatOption = Format.text) -> None:  # noqa: A002
    """List the topic catalogue of the project.

    Example: x07 msg topics
    """
    rows = sorted(read_topics(find_root()).values(), key=lambda row: row.id)
    if format is Format.json:
        listed = [
            {
                "id": row.id,
                "key_brand": row.key_brand,
                "value_brand": row.value_brand,
                "max_value_bytes": row.max_value_bytes,
            }
            for row in rows
        ]
        print_json({"schema_version": "x07.msg.topics.report@0.1.0", "topics": listed})
        return
    for row in rows:
        console().print(f"{row.id}  up to {row.max_value_bytes} bytes  key {row.key_brand}  value {row.value_brand}")
