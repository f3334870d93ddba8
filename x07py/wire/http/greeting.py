"""How a client of a schema registry begins, and how one that fetches a token to log in with.

Other HTTP is no broker's: what a program asks of it may hold anything, and is no matter of a cassette's.
"""

from __future__ import annotations

import re

METHODS = (b"GET ", b"POST ", b"PUT ", b"DELETE ", b"HEAD ", b"PATCH ", b"OPTIONS ")
_LONGEST_METHOD = max(map(len, METHODS))
_END = b"\r\n\r\n"
_LARGEST_HEAD, _LARGEST_FORM = 2**16, 2**14
_MEDIA = re.compile(rb"\r\n(?:accept|content-type):[^\r]*\bapplication/vnd\.schemaregistry", re.IGNORECASE)
_PATH = re.compile(
    rb"[A-Z]+ [^\s?]*?/(?:subjects(?:/[^/\s?]+(?:/versions(?:/[^/\s?]+)?)?)?|schemas/(?:ids/\d+|types))[?\s]"
)
_FORM = re.compile(rb"\r\ncontent-type:\s*application/x-www-form-urlencoded", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d{1,9})\s*\r\n", re.IGNORECASE)
_GRANT = re.compile(rb"(?:^|&)grant_type=")


def is_registry_client(first: bytes) -> bool | None:
    """Tell whether a client begins as those of schema registries do; None if that takes more bytes.

    They name a media type of registries, or ask for a path that only registries have.
    """
    if not first.startswith(METHODS):
        begun = len(first) < _LONGEST_METHOD and any(method.startswith(first) for method in METHODS)
        return None if begun else False
    head, end, body = first.partition(_END)
    if not end:
        return None if len(first) < _LARGEST_HEAD else False
    if _MEDIA.search(head) or _PATH.match(head):
        return True
    return _asks_for_token(head + b"\r\n", body)


def _asks_for_token(head: bytes, body: bytes) -> bool | None:
    """Tell whether a request is one of OAuth for a token: a form with a type of grant."""
    length = _LENGTH.search(head)
    if not head.startswith(b"POST ") or not _FORM.search(head) or length is None:
        return False
    size = int(length[1])
    if _GRANT.search(body):
        return True
    return None if len(body) < size <= _LARGEST_FORM else False
