"""The functions whose meaning the machine has to know, by full name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.effects.containers import Containers
from x07py.effects.reflection import Reflection
from x07py.effects.showing import Showing
from x07py.effects.values import Value, boolean, const, obj

if TYPE_CHECKING:
    from x07py.effects.parts import Arguments, Named
    from x07py.effects.state import Frame


class BuiltinCalls(Reflection, Containers, Showing):
    """What builtins give, and what the standard library makes of functions."""

    def intercepted(self, frame: Frame, line: int, name: str, args: Arguments, kwargs: Named) -> Value | None:
        """Return what a function of known meaning gives, or None for any other."""
        method = _MEANINGS.get(name)
        return method(self, frame, line, args, kwargs) if method is not None else None


_B = BuiltinCalls
_MEANINGS: dict[str, Any] = {
    "builtins.isinstance": _B._isinstance,
    "builtins.issubclass": lambda *_: boolean(None),
    "builtins.callable": _B._callable,
    "builtins.hasattr": _B._hasattr,
    "builtins.getattr": _B._getattr,
    "builtins.setattr": _B._setattr,
    "builtins.object": lambda *_: obj("builtins.object"),
    "builtins.object.__new__": _B._new,
    "builtins.vars": _B._vars,
    "builtins.globals": _B._globals,
    "builtins.type": _B._type,
    "builtins.super": _B._super,
    "builtins.staticmethod": lambda *given: _B._wrapped(*given, kind="static"),
    "builtins.classmethod": lambda *given: _B._wrapped(*given, kind="clsm"),
    "builtins.property": lambda *given: _B._wrapped(*given, kind="prop"),
    "builtins.set": _B._made_set,
    "builtins.frozenset": _B._made_set,
    "builtins.list": _B._made_list,
    "builtins.tuple": _B._made_list,
    "builtins.enumerate": _B._enumerate,
    "builtins.zip": _B._zip,
    "builtins.reversed": _B._made_list,
    "builtins.iter": _B._iter,
    "builtins.len": _B._len,
    "builtins.next": _B._next,
    "builtins.sorted": _B._sorted,
    "builtins.min": _B._most,
    "builtins.max": _B._most,
    "builtins.sum": _B._sum,
    "builtins.map": _B._map,
    "builtins.filter": _B._filter,
    "builtins.dict": _B._made_dict,
    "builtins.str": _B._made_text,
    "builtins.repr": _B._made_text,
    "builtins.format": _B._formatted,
    "builtins.ascii": _B._made_text,
    "builtins.print": _B._print,
    "builtins.id": _B._id,
    "builtins.hash": _B._hash,
    "builtins.__import__": _B._dunder_import,
    "importlib.import_module": _B._import,
    "importlib.__import__": _B._dunder_import,
    "pkgutil.resolve_name": _B._import,
    "_functools.partial": _B._partial,
    "functools.partial": _B._partial,
    "inspect.signature": _B._signature,
    "functools.wraps": _B._unknown,
    "functools.update_wrapper": _B._first,
    "functools.lru_cache": _B._cached,
    "functools.cache": _B._first,
    "functools.singledispatch": _B._first,
    "functools.partialmethod": _B._partial,
    "functools.total_ordering": _B._first,
    "contextlib.contextmanager": _B._first,
    "contextlib.asynccontextmanager": _B._first,
    "typing.cast": _B._second,
    "typing.overload": _B._unknown,
    "typing.final": _B._first,
    "typing.runtime_checkable": _B._first,
    "typing.no_type_check": _B._first,
    "typing.NewType": _B._unknown,
    "typing.TypeVar": _B._unknown,
    "typing.Generic": _B._unknown,
    "abc.abstractmethod": _B._first,
    "dataclasses.dataclass": _B._first,
    "dataclasses.field": _B._unknown,
    "attr._next_gen.field": _B._unknown,
    "attr._make.attrib": _B._unknown,
    "_collections.defaultdict": _B._default_dict,
    "collections.defaultdict": _B._default_dict,
    "collections.namedtuple": _B._unknown,
    "typing.NamedTuple": _B._unknown,
    "typing.TypedDict": _B._unknown,
    "warnings.warn": lambda *_: const(None),
    "enum.unique": _B._first,
    "itertools.chain": _B._chained,
    "itertools.chain.from_iterable": _B._chained_from,
    "_operator.methodcaller": _B._methodcaller,
    "operator.methodcaller": _B._methodcaller,
    "_operator.attrgetter": _B._attrgetter,
    "operator.attrgetter": _B._attrgetter,
    "_functools.reduce": _B._reduce,
    "functools.reduce": _B._reduce,
    "copy.copy": _B._first,
    "copy.deepcopy": _B._first,
    "types.coroutine": _B._first,
    "types.MappingProxyType": _B._first,
    "weakref.proxy": _B._first,
    "builtins.dict.fromkeys": _B._from_keys,
}
