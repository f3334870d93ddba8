"""What services outside of the program answered to its requests, as a recording has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.drivers.base import AMQP
from x07py.drivers.requests import REQUEST, packed, unpacked
from x07py.files import load_json
from x07py.msg import MessageRecord
from x07py.rr import Cassette

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from x07py.msg import Envelope

REQUEST_OP = f"{AMQP.op_prefix}{REQUEST}_v1"
Asked = tuple[str, bytes, bytes]
"""What makes two requests the same: topic, key, value."""


class Answered(NamedTuple):
    """A recorded request, and its answer: None where none came."""

    request: Envelope
    answer: Envelope | None

    def document(self) -> dict[str, Any]:
        """Return it as JSON that `answered_of` reads."""
        return {"request": packed(self.request), "answer": None if self.answer is None else packed(self.answer)}


def answered_of(document: dict[str, Any]) -> Answered:
    """Return what `Answered.document` has written; raises KeyError, TypeError or DriverError for others."""
    answer = document["answer"]
    return Answered(unpacked(document["request"]), None if answer is None else unpacked(answer))


def asked(envelope: Envelope) -> Asked:
    """Return what a request is known by."""
    return envelope.topic, envelope.key, envelope.value


def read_answers(path: Path) -> list[Answered]:
    """Return what services answered to the program of a cassette; a file of JSON lines has no answers.

    Requests to a queue that the recording itself consumed are left out: there the program answers.

    Args:
        path: the file.

    Raises:
        CassetteError: it is no cassette.
        DriverError: 9612 for a request that is not as it was recorded.
    """
    if path.suffix == ".jsonl":
        return []
    entries = Cassette.load(path).entries
    own = {_queue(entry.resp, entry.meta) for entry in entries if entry.op == AMQP.poll_op and not entry.err}
    found = []
    for entry in entries:
        if entry.op != REQUEST_OP:
            continue
        request = request_of(entry.req)
        if request.topic not in own:
            found.append(Answered(request, None if entry.err else unpacked(_field(entry.resp, "answer"))))
    return found


def request_of(req: str | bytes) -> Envelope:
    """Return the message of a recorded request; raises DriverError 9612 if it is none."""
    return unpacked(_field(req, "envelope"))


def _field(text: str | bytes, name: str) -> Any:
    """Return a field of an object in JSON, None if there is none."""
    try:
        document = load_json(text)
    except ValueError:
        return None
    return document.get(name) if isinstance(document, dict) else None


def _queue(record: bytes, meta: str) -> str:
    """Return the queue that a delivery came from."""
    from x07py.msg import Envelope

    told = _field(meta, "queue")
    return str(told) if told is not None else Envelope.decode(MessageRecord.decode(record).env).topic


def services(answers: Iterable[Answered]) -> dict[Asked, Envelope | None]:
    """Return who answers what: of answers to equal requests the first, so that a repeated request changes nothing."""
    found: dict[Asked, Envelope | None] = {}
    for one in answers:
        found.setdefault(asked(one.request), one.answer)
    return found
