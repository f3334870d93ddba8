"""Makes the rows of the schema of topics that are profiles and topologies from the schemas of these.

Run it after a change of one of those: `.venv/bin/python .ci/beside_topics.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).parents[1] / "schemas"
PARTS = (
    ("kafka", "kafka", "msg.kafka.profile"),
    ("amqp", "amqp", "msg.amqp.profile"),
    ("topologies", "amqp", "msg.amqp.topology"),
)
_OF_FILES = ("$schema", "schema_version", "v")


def path_of(name: str) -> Path:
    return SCHEMAS / f"x07py.arch.{name}.schema.json"


def row(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the schema of a row: that of the file without what only a file has, and with the ids of an index."""
    ident = {"type": "string", "minLength": 1, "maxLength": 128}
    ids = {
        "budget_profile_id": {
            **ident,
            "default": f"msg_{kind}_v1",
            "description": f"Id of the budget profile; `msg_{kind}_v1` if absent.",
        },
        "rr_policy_id": {**ident, "description": "Id of the recording policy; that of the topics if absent."},
    }
    properties = {name: rule for name, rule in schema["properties"].items() if name not in _OF_FILES}
    required = [name for name in schema["required"] if name not in _OF_FILES]
    kept = {name: rule for name, rule in schema.items() if name not in {"$schema", "title"}}
    return kept | {"properties": properties | ids, "required": required}


def main() -> None:
    index = json.loads(path_of("msg.index").read_text(encoding="utf-8"))
    for place, kind, name in PARTS:
        index["properties"][place]["items"] = row(json.loads(path_of(name).read_text(encoding="utf-8")), kind)
    path_of("msg.index").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
