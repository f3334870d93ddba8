"""Reading what a cassette says a client library returned: JSON of stated shapes, and an error for all else."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, NoReturn

from x07py.errors import CassetteError

if TYPE_CHECKING:
    from types import TracebackType

    from x07py.drivers.base import Json

_MALFORMED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What constructors and encoders raise for arguments of other types or sizes."""


def misshapen(what: str) -> CassetteError:
    """Return the error for something that is not what it says it is."""
    return CassetteError(
        2072,
        f"the cassette holds {what}",
        hint="it was damaged or not made by x07py; record again, and review where it comes from",
    )


class _Decoding:
    """What `decoding` returns; a generator would take three times as long, and each message is decoded."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, _MALFORMED):
            raise misshapen(f"something that is not {self._what} ({type(error).__name__})") from None


def decoding(what: str) -> _Decoding:
    """Tell whatever goes wrong inside as a cassette that holds no such thing; no code of a program may run inside.

    Args:
        what: what is made of the cassette's data.

    Raises:
        CassetteError: 2072, inside.
    """
    return _Decoding(what)


def document(data: bytes) -> Json:
    """Return a JSON document of a cassette.

    Raises:
        CassetteError: 2072 if it is none, or nested deeper than Python can read.
    """
    with _JSON:
        return _DECODER.decode(str(data, "utf-8"))


def record(data: Json, **fields: type | tuple[type, ...]) -> dict[str, Json]:
    """Return an object of a cassette that has these fields of these types.

    Raises:
        CassetteError: 2072 if it has not.
    """
    if not isinstance(data, dict):
        raise misshapen(f"a {type(data).__name__} where an object belongs")
    for name, kind in fields.items():
        if not isinstance(data.get(name), kind):
            raise misshapen(f"an object whose {name} is a {type(data.get(name)).__name__}")
    return data


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_constant=_no_number)
_JSON = _Decoding("JSON")
