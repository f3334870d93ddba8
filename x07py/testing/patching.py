"""Putting drop-in classes in place of a library's own, everywhere, and back.

Three things hold a class: modules that imported it by name, the library's own module, and classes that were derived
from it. What the program imports later is patched when it arrives (`x07py.testing.arrivals`). Tried and dropped:
replacing methods on the class itself (impossible for classes written in C), and an import hook alone (too late for
whatever was imported before).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_OWN = "__x07_own__"


def replace_everywhere(pairs: Iterable[tuple[type, type]], *, but: tuple[str, ...]) -> None:
    """Put the second class of each pair in place of the first in every loaded module.

    Args:
        pairs: classes to replace and their replacements.
        but: starts of names of modules that are left alone.
    """
    wanted = {id(old): new for old, new in pairs}
    for name, module in list(sys.modules.items()):
        if name.startswith(but):
            continue
        names: dict[str, object] = getattr(module, "__dict__", {})
        for attribute, value in list(names.items()):
            if id(value) in wanted:
                names[attribute] = wanted[id(value)]


def rebase_subclasses(old: type, new: type, *, but: type) -> None:
    """Put `new` in place of `old` among the bases of the classes derived from `old`, except of `but`."""
    derived: Any
    for derived in old.__subclasses__():
        if derived is but or issubclass(but, derived) or issubclass(derived, but):
            continue
        bases: tuple[Any, ...] = tuple(new if base is old else base for base in derived.__bases__)
        derived.__bases__ = bases


def replace_methods(kind: type, methods: dict[str, Any]) -> None:
    """Put `methods` in place of those of a class that is written in Python; once, however often it is called."""
    if _OWN not in vars(kind):
        setattr(kind, _OWN, {name: vars(kind).get(name) for name in methods})
        for name, method in methods.items():
            setattr(kind, name, method)


def restore_methods(kind: type, methods: dict[str, Any]) -> None:
    """Undo `replace_methods`."""
    own = vars(kind)[_OWN]
    for name in methods:
        if own[name] is None:
            delattr(kind, name)
        else:
            setattr(kind, name, own[name])
    delattr(kind, _OWN)
