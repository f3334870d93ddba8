"""Coverage-guided fuzzing of the decoders: ``python -m tests.fuzz.target NAME [libFuzzer options] [CORPUS]``.

Whatever the bytes, a decoder returns a value that encodes to the same bytes, or raises its own error with a code.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["x07py"]):
    from x07py.errors import CassetteError, DataModelError, EnvelopeError, RecordError, X07Error
    from x07py.msg import Envelope, MessageRecord, datamodel
    from x07py.rr import Cassette, Config


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


TARGETS: dict[str, tuple[Callable[[bytes], None], type[X07Error]]] = {
    "envelope": (envelope, EnvelopeError),
    "record": (record, RecordError),
    "document": (document, DataModelError),
    "cassette": (cassette, CassetteError),
    "config": (config, CassetteError),
}


def main() -> None:
    """Fuzz one decoder; libFuzzer ends the process."""
    decode, refusal = TARGETS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        try:
            decode(data)
        except refusal as error:
            assert isinstance(error.code, int)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
