"""From AsyncAPI 2 and 3 to contracts: what a document says, and what is built in for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.asyncapi.channels import Channels
from x07py.asyncapi.reader import open_document
from x07py.asyncapi.schemas import Pinned
from x07py.asyncapi.servers import kept_profile, read_profiles
from x07py.asyncapi.version2 import to_version_3
from x07py.contracts.defaults import POLICY_ID
from x07py.contracts.starter import Starter, starter_topology
from x07py.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.asyncapi.reader import Reader
    from x07py.contracts.starter import StarterProfile


def load_asyncapi(path: Path, root: Path) -> tuple[Starter, list[str]]:
    """Return what contracts a document asks for, and notes about what it holds and contracts cannot say.

    Args:
        path: the document.
        root: the project; what the document refers to is read only if it lies there.

    Raises:
        FileError: ``X07IO_READ``.
        UsageError: ``X07_ASYNCAPI_PARSE`` if it is neither JSON nor YAML with an object, ``X07_ASYNCAPI_VERSION`` for
            another version than 2 and 3, ``X07_ASYNCAPI_EMPTY`` if no channel can become a topic.
    """
    reader = open_document(path, root)
    version = str(reader.document.get("asyncapi", ""))
    if version.startswith("2."):
        to_version_3(reader)
    elif not version.startswith("3."):
        raise UsageError(
            "X07_ASYNCAPI_VERSION",
            f"the document says asyncapi {version or 'nothing'}, and versions 2 and 3 are read",
            where=str(path),
            hint="convert it with the AsyncAPI command line: asyncapi convert FILE --target-version=3.0.0",
        )
    pinned = Pinned(reader)
    channels = Channels(reader, pinned)
    channels.read()
    if not channels.topics:
        raise UsageError(
            "X07_ASYNCAPI_EMPTY",
            "no channel of the document can become a topic" + "".join(f"; {note}" for note in reader.notes[:3]),
            where=str(path),
            hint="give the channels addresses",
        )
    profiles = read_profiles(reader)
    extension = reader.table(reader.document, "x-x07")
    starter = Starter(
        tuple(row for _, row in sorted(channels.topics.items())),
        {kind: tuple(rows) for kind, rows in profiles.items()},
        tuple(_topologies(reader, channels)) if profiles["amqp"] else (),
        str(extension.get("rr_policy_id") or POLICY_ID),
        pinned.files,
    )
    return starter, reader.notes


def _topologies(reader: Reader, channels: Channels) -> list[StarterProfile]:
    rows = reader.table(reader.document, "x-x07").get("topologies")
    if isinstance(rows, list) and rows:
        return [kept_profile(row) for row in rows if isinstance(row, dict)]
    plain = {name: True for name, row in channels.topics.items() if "parameters" not in row}
    made = starter_topology("amqp", "app_v1", channels.queues or plain)
    made.document["exchanges"] = list(channels.exchanges.values())
    return [made]
