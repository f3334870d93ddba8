"""`budget`: hold a block of a program to a budget of the project.

Only while a scope is open are the constructors of messages replaced by ones that count: a test in each of them would
cost every program that has no budget.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from x07py.contracts.budgets import read_budget
from x07py.contracts.loader import find_root
from x07py.counting import Scope, current_scope
from x07py.msg import Envelope, MessageRecord
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def budget(profile: str) -> Iterator[Scope]:
    """Count what the block does with messages, and hold it to a profile of ``arch/budgets``.

    Usable as a decorator too. Scopes nest: what an inner one counts, the outer ones count as well.

    Args:
        profile: id of a budget profile, of ``arch/budgets`` or built in.

    Raises:
        ContractError: ``X07_BUDGET_PROFILE`` if there is no such profile, or not for this world.
        BudgetError: 0x80000001 to 0x80000006 at the end of the block (mode ``result_err_v1``) or at the call that
            exceeds the limit (``trap_v1``); ``yield_v1`` lets other tasks run instead, ``stats_only_v1`` only counts.
    """
    found = read_budget(find_root(), profile, current_world().name)
    _count_codec()
    try:
        with Scope(found) as scope:
            yield scope
    finally:
        _leave_codec()


_lock = threading.Lock()
_open = 0
_own: dict[tuple[type, str], Any] = {}


def _count_codec() -> None:
    global _open  # noqa: PLW0603 (classes are of the process, and so is what stands in their place)
    with _lock:
        _open += 1
        if _open == 1:
            for (kind, name), method in _REPLACEMENTS.items():
                _own[kind, name] = vars(kind)[name]
                setattr(kind, name, method)


def _leave_codec() -> None:
    global _open  # noqa: PLW0603
    with _lock:
        _open -= 1
        if not _open:
            for (kind, name), method in _own.items():
                setattr(kind, name, method)


def _count(size: int) -> None:
    scope = current_scope()
    if scope is not None and scope.codec:
        scope.add(buffers=1, size=size, calls=1)


_init = Envelope.__init__
_decode: Callable[[bytes], Envelope] = Envelope.decode
_encode_record = MessageRecord.encode
_decode_record: Callable[[bytes], MessageRecord] = MessageRecord.decode


def _counting_init(self: Envelope, *args: Any, **fields: Any) -> None:
    _init(self, *args, **fields)
    _count(self.size)


def _counting_decode(data: bytes) -> Envelope:
    _count(len(data))
    return _decode(data)


def _counting_encode_record(self: MessageRecord) -> bytes:
    data = _encode_record(self)
    _count(len(data))
    return data


def _counting_decode_record(data: bytes) -> MessageRecord:
    _count(len(data))
    return _decode_record(data)


_REPLACEMENTS: dict[tuple[type, str], Any] = {
    (Envelope, "__init__"): _counting_init,
    (Envelope, "decode"): staticmethod(_counting_decode),
    (MessageRecord, "encode"): _counting_encode_record,
    (MessageRecord, "decode"): staticmethod(_counting_decode_record),
}
