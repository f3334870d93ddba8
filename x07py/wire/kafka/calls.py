"""Administrators' requests as they stand in a cassette: what is asked, without what versions and clocks make of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from x07py.wire.kafka.messages import is_default, plain

if TYPE_CHECKING:
    from x07py.wire.kafka.messages import Plain

_PASSING = ("timeout", "throttle_time")


def asked(body: Any) -> dict[str, Plain]:
    """Return what a request asks for, without time limits and without what stands in it by default."""
    return _without_defaults(body)


def answered(body: Any) -> dict[str, Plain]:
    """Return a broker's answer as it is recorded."""
    return {name: value for name, value in plain(body).items() if name not in _PASSING}


def _without_defaults(entity: Any) -> dict[str, Plain]:
    kept: dict[str, Plain] = {}
    for name, value in plain(entity).items():
        if name in _PASSING or is_default(type(entity), name, value):
            continue
        own = getattr(entity, name)
        if isinstance(own, tuple) and own and dataclasses.is_dataclass(own[0]):
            kept[name] = [_without_defaults(one) for one in own]
        else:
            kept[name] = value
    return kept


def scope_of(question: dict[str, Plain]) -> str:
    """Return the topics or groups that a request names, which is where it stands in a cassette."""
    names: list[str] = []
    for field in ("topics", "topic_names", "groups", "groups_names", "resources"):
        for one in question.get(field) or ():
            name = one if isinstance(one, str) else one.get("name") or one.get("resource_name", "")
            names.append(str(name))
    return ",".join(names)
