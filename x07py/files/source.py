"""The text of a Python file as Python itself reads it."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterator

_BOM = "\ufeff"


def decoded(data: bytes) -> str:
    """Return the text of a Python file, in the encoding that it declares, with ``\\n`` line ends and without a BOM.

    Lines end as Python ends them before it looks for the declaration, which stands in one of the first two, however
    long they are.

    Raises:
        SyntaxError, ValueError: the encoding is unknown, the bytes are not in it, or it makes a line end of something
            that is none in the file.
    """
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    second = data.find(b"\n", data.find(b"\n") + 1)
    if b"coding" not in (data if second < 0 else data[:second]):
        return data.decode().removeprefix(_BOM)
    import tokenize

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except LookupError as error:  # an encoding of something else than text
        raise SyntaxError(str(error)) from None
    if "\r" in text:
        raise SyntaxError(f"its encoding {encoding} makes carriage returns, which hide what follows")
    return text.removeprefix(_BOM)


def parsed(text: str) -> ast.Module:
    """Return the syntax tree of a module that others have written.

    Raises:
        SyntaxError, ValueError: it is no Python, or is nested deeper than Python's parser goes.
    """
    import ast

    with _parsing():
        return ast.parse(text)


def parsed_expression(text: str) -> ast.expr:
    """Return the syntax tree of an expression. Raises as `parsed`."""
    import ast

    with _parsing():
        return ast.parse(text, mode="eval").body


@contextmanager
def _parsing() -> Iterator[None]:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RecursionError, MemoryError):  # what the parser calls memory is its own stack
        raise SyntaxError("it is nested deeper than Python's parser goes") from None
