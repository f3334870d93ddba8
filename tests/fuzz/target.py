"""Coverage-guided fuzzing of the decoders: ``python -m tests.fuzz.target NAME [libFuzzer options] [CORPUS]``.

Whatever the bytes, a decoder returns a value that encodes to the same bytes, or raises its own error with a code.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["x07py"]):
    from x07py.diag import Diagnostic, github_lines
    from x07py.errors import CassetteError, DataModelError, DriverError, EnvelopeError, RecordError, X07Error
    from x07py.msg import Envelope, MessageRecord, datamodel
    from x07py.printing import escaped, html_data, json_text, terminal
    from x07py.rr import Cassette, Config
    from x07py.rr.report import describe_entry, entry_line
    from x07py.rr.text_side import text_side
    from x07py.rr.varying import Varying
    from x07py.rr.view import page
    from x07py.wire.amqp.frames import Decoder as AmqpDecoder
    from x07py.wire.kafka.batches import read_batches, write_batch
    from x07py.wire.kafka.frames import parse_request
    from x07py.wire.kafka.membership import assigned_places, assignment_of, subscribed_topics


_RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_COMMAND = re.compile(r"^\s*::", re.MULTILINE)
_SCRIPTS = "".join(page("c", Cassette.from_entries([]))).count("<script")


def envelope(data: bytes) -> None:
    """One ``X7ME`` envelope."""
    assert Envelope.decode(data).encode() == data


def record(data: bytes) -> None:
    """One ``X7MR`` record; unknown tags are read and not written."""
    found = MessageRecord.decode(data)
    fast = MessageRecord.reader(found.op_tag, found.driver_kind, found.endpoint_hash)(data)
    assert fast == (found.env, found.ack)
    if {found.op_tag, found.driver_kind, found.ack_tag} <= {1, 2}:
        assert found.encode() == data


def document(data: bytes) -> None:
    """One DataModel document."""
    found = datamodel.decode(data)
    assert datamodel.decode(datamodel.encode(found)) == found


def cassette(data: bytes) -> None:
    """One cassette; every entry is decoded."""
    found = Cassette.load(data)
    assert found.to_bytes() == data
    for entry in found.entries:
        assert entry.encode()


def config(data: bytes) -> None:
    """One ``X7RC`` configuration; what is reserved is ignored."""
    found = Config.decode(data)
    assert Config.decode(found.encode()) == found


def kafka_request(data: bytes) -> None:
    """One request of Kafka's protocol, header and message."""
    request = parse_request(data)
    if not request.is_newer:
        request.body()


def kafka_batches(data: bytes) -> None:
    """The records of a partition."""
    for batch in read_batches(data):
        if batch.records:
            assert read_batches(write_batch(batch.records))[0].records == batch.records


def amqp_frames(data: bytes) -> None:
    """What one end of an AMQP connection sends, in two parts; the frames hold the bytes as they came."""
    decoder, half = AmqpDecoder(), len(data) // 2
    frames = [*decoder.feed(data[:half]), *decoder.feed(data[half:])]
    whole = [b"".join(frame.raw) for frame in AmqpDecoder().feed(data)]
    assert whole == [b"".join(frame.raw) for frame in frames]


def kafka_membership(data: bytes) -> None:
    """What members of a group send each other."""
    if data[:1] == b"s":
        subscribed_topics(data[1:])
        return
    places = assigned_places(data[1:])
    assert assigned_places(assignment_of(places)) == places


def printer(data: bytes) -> None:
    """Text of others, as it is shown: on a terminal, in a log of a workflow, as JSON, in a page."""
    text = data.decode("utf-8", "surrogateescape")
    _plain(terminal(text))
    _plain(terminal(str(X07Error(1, text, where=text, hint=text))))
    assert escaped(text).isprintable()
    assert json.loads(json_text([text], indent=None)) == [text]
    assert "<" not in html_data({text: [text]})
    row = Diagnostic("E_ARCH_X", "error", text, path=text, line=1, hint=text, notes=(text,))
    assert len(list(github_lines(row, each=False))) == 1
    for line in github_lines(row, each=False):
        assert not _RAW.search(line)
        assert "\n" not in line


def shown_cassette(data: bytes) -> None:
    """A cassette, as ``x07 rr show``, its text side and its page show it."""
    found = Cassette.load(data)
    for number, one in enumerate(found.entries):
        _plain(terminal(entry_line(number, one)))
        assert not _RAW.search(json_text(describe_entry(number, one)))
    assert not _RAW.search(text_side(found, "c", Varying()))
    shown = "".join(page("c", found))
    assert not _RAW.search(shown)
    assert shown.count("<script") == _SCRIPTS


def _plain(text: str) -> None:
    assert not _RAW.search(text)
    assert not _COMMAND.search(text)
    assert "##[" not in text


TARGETS: dict[str, tuple[Callable[[bytes], None], type[X07Error]]] = {
    "envelope": (envelope, EnvelopeError),
    "record": (record, RecordError),
    "document": (document, DataModelError),
    "cassette": (cassette, CassetteError),
    "config": (config, CassetteError),
    "amqp_frames": (amqp_frames, DriverError),
    "kafka_request": (kafka_request, DriverError),
    "kafka_batches": (kafka_batches, DriverError),
    "kafka_membership": (kafka_membership, DriverError),
    "printer": (printer, DriverError),
    "shown_cassette": (shown_cassette, CassetteError),
}


MOST_MEMORY = 200 * 2**20
"""What a process may have of its own, the fuzzer's tables included: what takes more ends in a MemoryError where it is
taken. The resident memory that libFuzzer looks at once a second misses what is freed before."""

BY_KIO = frozenset({"kafka_request"})
"""kio reserves address space for as many items as a list says that it has, eight bytes each, and touches none of it:
only what is resident can be held there, by ``-rss_limit_mb``."""


def main() -> None:
    """Fuzz one decoder; libFuzzer ends the process."""
    name = sys.argv.pop(1)
    decode, refusal = TARGETS[name]
    if name not in BY_KIO:
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))

    def one(data: bytes) -> None:
        try:
            decode(data)
        except refusal as error:
            assert isinstance(error.code, int)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
