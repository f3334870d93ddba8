"""What an extension module without source may call: the symbols that it takes from other libraries, as its file lists.

That bounds what it reaches from above, as long as it makes no system calls by instructions of its own.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

_MAGIC = b"\x7fELF"
_DYNSYM, _DYNAMIC = 11, 6
_NEEDED = 1
_HARMLESS = re.compile(
    r"""_?Py(?!Import_|Run_|Eval_Eval|_CompileString|Sys_GetObject|OS_(?!v?snprintf|string_to|double_to|str)|Thread_start|Interpreter(?!State_Get)|Marshal|Gen_|_NewInterp
        |Eval_GetBuiltins|Eval_GetGlobals|File_|Unicode_FromId|Runtime|_Main|_Bytes)\w*
    |mem\w+|str(?!ftime)\w+|wcs\w+|wmem\w+|str(case|n)\w+|[mc]alloc|realloc(array)?|free|posix_memalign|aligned_alloc|abs|labs|qsort|bsearch
    |ato[fil]l?|div|ldiv|is[a-z]+|to(upper|lower)|v?snprintf|v?sscanf|abort|__assert_fail|setjmp|_setjmp|longjmp
    |(a?(sin|cos|tan)h?|atan2|exp(2|10|m1)?|log(2|10|1p|b)?|pow|sqrt|cbrt|hypot|fabs|floor|ceil|l?l?round|trunc|l?l?rint|nearbyint
        |fmod|remainder|remquo|modf|ldexp|frexp|scalbl?n|f?max|f?min|fdim|fma|copysign|nextafter|erfc?|[lt]gamma(_r)?|nan|ilogb
        |signbit|fe[a-z]+)[fl]?
    |__(stack_chk_fail|cxa_\w+|gxx_personality_v\d|gmon_start__|memcpy_chk|memset_chk|memmove_chk|str\w+_chk|v?snprintf_chk
        |errno_location|ctype_\w+_loc|tls_get_addr|isnan|isinf|finite|signbit|fpclassify|udivti3|umodti3|popcountdi2|longjmp_chk)[fl]?
    |_ITM_\w+|_Unwind_\w+|_Zn[wa]\w*|_Zd[la]\w*|_ZT[VIS]\w+|_ZSt(9terminate|1\d__throw_|2\d__throw_|20__throw)\w*
    |_ZNK?St7__cxx1112basic_string\w+|_ZNSt(9exception|11logic_error|13runtime_error|12length_error|12out_of_range)\w+
    |_ZNSt8__detail15_List_node_base\w+|_ZSt(18|28|29)_Rb_tree\w+|stdout|stderr|__libc_single_threaded
    |pthread_(mutex|once|key|getspecific|setspecific|rwlock|self|equal)\w*""",
    re.VERBOSE,
)
"""Symbols that compute, handle memory, or are Python's functions for objects that the module is given."""
_PLAIN_LIBRARIES = re.compile(r"(lib(c|m|pthread|gcc_s|stdc\+\+|rt|util)|ld-[\w-]+|libpython3[\d.]*m?)\.so[\d.]*")
_IMPORTS = re.compile(r"PyImport_|PyRun_|PyEval_Eval|Py_CompileString")


class Bound(NamedTuple):
    """What a native module may call.

    Args:
        symbols: those that may reach the operating system, sorted.
        libraries: other libraries that it needs, which nobody looked into, sorted.
        imports: whether it can import and run Python code, and so reach all that this reaches.
    """

    symbols: tuple[str, ...]
    libraries: tuple[str, ...]
    imports: bool

    @property
    def nothing(self) -> bool:
        """Whether it can call nothing but computations."""
        return not self.symbols and not self.libraries and not self.imports

    def __str__(self) -> str:
        parts = ["Python code that it imports"] if self.imports else []
        if self.symbols:
            more = f" and {len(self.symbols) - _SHOWN} more" if len(self.symbols) > _SHOWN else ""
            parts.append(f"{', '.join(self.symbols[:_SHOWN])}{more}")
        parts += self.libraries[:_SHOWN]
        return "; ".join(parts)


_SHOWN = 6


def bound_of(data: bytes) -> Bound | None:
    """Return what a shared library may call, or None if the bytes are no ELF file that lists its symbols.

    Args:
        data: the file.
    """
    try:
        return _bound(data)
    except (struct.error, IndexError, ValueError):
        return None


def _bound(data: bytes) -> Bound | None:
    if data[:4] != _MAGIC or data[4] not in {1, 2} or data[5] not in {1, 2}:
        return None
    order, wide = "<" if data[5] == 1 else ">", data[4] == 2
    header = struct.unpack_from(f"{order}HHIQQQIHHHHHH" if wide else f"{order}HHIIIIIHHHHHH", data, 16)
    at, size, count = header[5], header[10], header[11]
    row = f"{order}IIQQQQIIQQ" if wide else f"{order}IIIIIIIIII"
    sections = [struct.unpack_from(row, data, at + number * size) for number in range(count)]
    tables = [one for one in sections if one[1] == _DYNSYM]
    if not tables:
        return None
    names = [name for table in tables for name in _undefined(data, table, sections, order, wide=wide)]
    needed = [name for one in sections if one[1] == _DYNAMIC for name in _needed(data, one, sections, order, wide=wide)]
    imports = any(_IMPORTS.match(name) for name in names)
    calls = {name for name in names if not _HARMLESS.fullmatch(name) and not _IMPORTS.match(name)}
    others = {name for name in needed if not _PLAIN_LIBRARIES.fullmatch(name)}
    return Bound(tuple(sorted(calls)), tuple(sorted(others)), imports)


_Section = tuple[int, ...]


def _undefined(data: bytes, table: _Section, sections: list[_Section], order: str, *, wide: bool) -> list[str]:
    row = f"{order}IBBHQQ" if wide else f"{order}IIIBBH"
    step, start = struct.calcsize(row), table[4]
    found = []
    for place in range(start, start + table[5], step):
        entry = struct.unpack_from(row, data, place)
        section = entry[3] if wide else entry[5]
        if entry[0] and not section:
            found.append(_string(data, sections[table[6]], entry[0]))
    return found


def _needed(data: bytes, table: _Section, sections: list[_Section], order: str, *, wide: bool) -> list[str]:
    row = f"{order}QQ" if wide else f"{order}II"
    step, start = struct.calcsize(row), table[4]
    entries = [struct.unpack_from(row, data, place) for place in range(start, start + table[5], step)]
    return [_string(data, sections[table[6]], value) for tag, value in entries if tag == _NEEDED]


def _string(data: bytes, table: _Section, offset: int) -> str:
    start = table[4] + offset
    return data[start : data.index(0, start)].decode("ascii", "replace")
