"""No regular expression costs more than its text: those of the package, and those made from a checkout's patterns."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
import signal
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

import x07py
from tests.support.project import REPOSITORY
from x07py.arch.scan.patterns import compile_dotted, compile_globs
from x07py.contracts.roots import find_layout

PACKAGE = Path(x07py.__file__).parent
NOT_IMPORTED = ("__main__", "sitecustomize", "bootstrap", "host")
"""Modules that do something when they are imported; none has an expression, which the test on literals would see."""
MADE = {
    "arch/scan/patterns.py": "from patterns of a checkout, tested below",
    "contracts/defaults.py": "those of our own schemas, which are among the files",
    "contracts/distributions.py": "names of modules, escaped",
    "contracts/schema_check.py": "those of our own schemas, which are among the files",
    "cli/running.py": "a constant, for what the user typed",
    "effects/classes.py": "a name of the module that it looks through, and a constant",
    "run/environment.py": "from names of drivers",
}
"""Modules with an expression that is no literal, and where it comes from."""


class Use(NamedTuple):
    """An expression, and how it is used: where it is searched for, or matched in one place."""

    name: str
    pattern: re.Pattern[Any]
    apply: Callable[[Any], object]


def _in_modules() -> Iterator[Use]:
    """Yield the expressions that modules keep, in tables too."""
    for module in pkgutil.walk_packages(x07py.__path__, "x07py."):
        if module.name.endswith(NOT_IMPORTED):
            continue
        loaded = importlib.import_module(module.name)
        source = inspect.getsource(loaded) if vars(loaded) else ""
        for name, value in vars(loaded).items():
            for one in _kept(value):
                searched = one is not value or re.search(
                    rf"\b{name}\.(?:search|finditer|findall|subn?|split)\b", source
                )
                yield Use(f"{module.name}.{name}", one, one.search if searched else one.match)


def _kept(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict | list | tuple | set | frozenset):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _kept(one)


def _in_functions() -> Iterator[Use]:
    """Yield the literal expressions of calls like ``re.sub("...", ...)``; what a module compiles, it keeps."""
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE).as_posix()
        tree = ast.parse(file.read_bytes())
        bodies = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        for call, name in (found for body in bodies for found in _expressions(body)):
            text = call.args[0]
            if not isinstance(text, ast.Constant):
                assert place in MADE, f"{place}:{call.lineno}: an expression that this test cannot see"
                continue
            flags = [one for one in (*call.args[1:], *(word.value for word in call.keywords)) if _is_flag(one)]
            flag = sum(getattr(re, one.attr) for one in flags if isinstance(one, ast.Attribute))
            pattern: re.Pattern[Any] = re.compile(cast("str", text.value), flag)
            yield Use(f"{place}:{call.lineno}", pattern, pattern.match if "match" in name else pattern.search)


def _expressions(body: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Yield the calls of functions of `re` that take an expression, and the function's name."""
    for node in ast.walk(body):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name)) if name not in {"escape", "purge"}:
                yield node, name


def _is_flag(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re"


def _in_files() -> Iterator[Use]:
    """Yield the expressions of schemas and tables: what stands under ``pattern`` or ``patternProperties``."""
    for file in sorted([*PACKAGE.rglob("*.json"), *PACKAGE.rglob("*.toml"), *(REPOSITORY / "schemas").glob("*.json")]):
        document = json.loads(file.read_bytes()) if file.suffix == ".json" else tomllib.loads(file.read_text())
        for text in _patterns(document):
            yield Use(f"{file.name}: {text}", re.compile(text), re.compile(text).search)


def _patterns(document: Any) -> Iterator[str]:
    if isinstance(document, list):
        for one in document:
            yield from _patterns(one)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name == "pattern" and isinstance(value, str):
                yield value
            elif name == "patternProperties" and isinstance(value, dict):
                yield from value
            yield from _patterns(value)


PIECES = ("a", " ", "0", "a.", "://a:", "::", "\n", "#\n", "(", "'", '"a', "\\", "ab ", "import a, ")
SIZES = (2**12, 2**14, 2**16, 2**18, 2**20)
"""In characters; the last is a megabyte. What is made for an expression goes to the third."""
MOST_PARTS = 8
"""Of an expression, that are repeated together."""
REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
AT_ONCE_S = 0.25
"""What takes less processor time is not judged: clocks and caches decide there."""
MOST_S = 2.0
"""Of processor time, where an expression is given up, or after eight times the cost of a quarter of the text."""
GROWTH = 8.0
"""How much more four times the text may cost; a quadratic expression costs sixteen times as much."""


class _TooLongError(Exception):
    """An expression does not come to an end."""


@pytest.fixture(autouse=True)
def _given_up() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGVTALRM, give_up)
    yield
    signal.signal(signal.SIGVTALRM, before)


def texts_for(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """Yield beginnings, and what to repeat after each, of texts that an expression nearly matches.

    Its parts one after the other, whatever group they stand in: those up to one of them come once, and what some of
    the next ask for comes again and again. Each alternative of a group has its turn, beside the first of all others.
    """
    from re import _parser  # type: ignore[attr-defined]

    parsed = _parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    for branch, number in [(None, 0), *_alternatives(parsed)]:
        parts = [text for text in _flat(parsed, branch, number) if text]
        for first in range(len(parts)):
            for last in range(first + 1, min(len(parts), first + MOST_PARTS) + 1):
                yield "".join(parts[:first]), "".join(parts[first:last])


def _alternatives(parsed: Any) -> Iterator[tuple[Any, int]]:
    """Yield each group of alternatives, with the number of each but the first."""
    for part in parsed:
        for number, inner in enumerate(_inside(part)):
            if str(part[0]) == "BRANCH" and number:
                yield part[1][1], number
            yield from _alternatives(inner)


def _inside(part: Any) -> list[Any]:
    """Return the sequences of parts that a part of an expression is made of."""
    kind, value = str(part[0]), part[1]
    if kind == "BRANCH":
        return list(value[1])
    place = {"SUBPATTERN": 3, **dict.fromkeys(REPEATS, 2)}.get(kind)
    return [value] if kind == "ATOMIC_GROUP" else [] if place is None else [value[place]]


def _flat(parsed: Any, branch: Any, number: int) -> Iterator[str]:
    """Yield a text for each part of an expression, and one for what stands between two that vary."""
    literal = ""
    for part in parsed:
        if str(part[0]) == "LITERAL":
            literal += chr(part[1])
            continue
        yield literal
        literal = ""
        inside = _inside(part)
        if inside and not (str(part[0]) in REPEATS and len(inside[0]) == 1 and not _inside(inside[0][0])):
            yield from _flat(inside[number if part[1][1] is branch else 0], branch, number)
        else:
            yield _sample(part)
    yield literal


def _sample(part: Any) -> str:
    """Return a text for one part of an expression."""
    kind, value = str(part[0]), part[1]
    if kind == "LITERAL":
        return chr(value)
    if kind == "NOT_LITERAL":
        return "a" if value != ord("a") else "b"
    if kind == "ANY":
        return "a"
    if kind == "IN":
        return _member(value)
    if kind in REPEATS:
        return "".join(map(_sample, value[2])) * max(1, min(int(value[0]), 40))
    if kind == "SUBPATTERN":
        return "".join(map(_sample, value[3]))
    if kind == "ATOMIC_GROUP":
        return "".join(map(_sample, value))
    return "".join(map(_sample, value[1][0])) if kind == "BRANCH" else ""


def _member(members: Any) -> str:
    negated = str(members[0][0]) == "NEGATE"
    named = {"CATEGORY_DIGIT": "0", "CATEGORY_SPACE": " ", "CATEGORY_WORD": "a"}
    chars = [
        chr(value) if str(kind) == "LITERAL" else chr(value[0]) if str(kind) == "RANGE" else named.get(str(value), "a")
        for kind, value in members
        if str(kind) != "NEGATE"
    ]
    return next((char for char in "a0 -\n" if char not in chars), "~") if negated else str(chars[0])


def cost(use: Callable[[Any], object], piece: str, size: int, head: str, *, is_bytes: bool, most_s: float) -> float:
    """Return the processor's seconds that `head` and a text made of `piece` cost; raises after `most_s`."""
    text: Any = head + piece * (size // len(piece)) + "!"
    text = text.encode("latin-1", "replace") if is_bytes else text
    began = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, most_s)
    try:
        use(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - began


def slow_at(
    use: Callable[[Any], object], piece: str, head: str = "", *, sizes: Sequence[int] = SIZES, is_bytes: bool
) -> str:
    """Return at which size the cost of `head` and a text made of `piece` has grown faster than it; empty if never.

    What looks so is asked twice more, and the least counts: caches and other work make a processor slow at times.
    """
    costs: list[float] = []
    for size in sizes:
        most_s = max(MOST_S, GROWTH * costs[-1]) if costs else MOST_S
        try:
            costs.append(cost(use, piece, size, head, is_bytes=is_bytes, most_s=most_s))
            for _ in range(2):
                if not has_grown(costs):
                    break
                again = [cost(use, piece, one, head, is_bytes=is_bytes, most_s=most_s) for one in sizes[: len(costs)]]
                costs = list(map(min, costs, again))
        except _TooLongError:
            return f"{size} characters: no answer in {most_s:.1f} s"
        if has_grown(costs):
            return f"{size} characters: {costs[-2]:.3f} s, then {costs[-1]:.3f} s"
        if costs[-1] < AT_ONCE_S / 100:
            return ""  # even a cubic cost of four times the text would take no second
    return ""


def has_grown(costs: Sequence[float]) -> bool:
    """Tell whether the last text has cost more than its length explains."""
    return len(costs) > 1 and costs[-1] > AT_ONCE_S and costs[-1] > GROWTH * max(costs[-2], AT_ONCE_S / GROWTH)


def test_no_expression_costs_more_than_its_text() -> None:
    """Each on text that makes expressions backtrack, a megabyte of it, in shapes of its own parts too."""
    uses = [*_in_modules(), *_in_functions(), *_in_files()]
    assert len(uses) > 150
    slow = {}
    done: set[tuple[Any, int, str]] = set()
    for use in uses:
        key = (use.pattern.pattern, use.pattern.flags, use.apply.__name__)
        if key in done:
            continue
        done.add(key)
        is_bytes = isinstance(use.pattern.pattern, bytes)
        made = dict.fromkeys([*(("", one) for one in PIECES), *texts_for(use.pattern)])
        for number, (head, piece) in enumerate(made):
            sizes = SIZES if number < len(PIECES) else SIZES[:3]
            if found := slow_at(use.apply, piece, head, sizes=sizes, is_bytes=is_bytes):
                slow[f"{use.name} on {head[:40]!r} and {piece[:40]!r}"] = found
                break
    assert not slow


@pytest.mark.parametrize(
    "make",
    [
        lambda: compile_globs(["*a" * 9 + "b", "**/a/" * 3 + "b", "{a,aa}" * 4 + "b", "?*" * 9 + "b"]),
        lambda: compile_dotted(".".join(["**", "a"] * 9) + ".b", one="*", many="**", least=1),
        lambda: compile_dotted(".".join(["#", "*"] * 9) + ".b", one="*", many="#", least=0),
    ],
    ids=["paths", "modules", "routing keys"],
)
def test_patterns_of_a_checkout_cost_no_more_than_their_text(make: Callable[[], re.Pattern[str]]) -> None:
    pattern = make()
    for piece in ("a", "a/", "a."):
        assert not slow_at(pattern.fullmatch, piece, is_bytes=False), piece


def test_a_pattern_that_stands_for_too_many_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 1000 patterns"):
        compile_globs(["{a,b}" * 12])


def test_members_of_a_workspace_cost_no_more_than_their_folders(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a"] * 200)
    deep.mkdir(parents=True)
    (deep / "pyproject.toml").write_text('[project]\nname = "a"\n')
    members = ["**/" + "a/**/" * 12 + "b", "**/**/a/**/a", "a/*/" * 40 + "**"]
    (tmp_path / "pyproject.toml").write_text(f"[tool.uv.workspace]\nmembers = {json.dumps(members)}\n")
    began = time.process_time()
    assert find_layout(tmp_path).members
    assert time.process_time() - began < 10 * MOST_S


@pytest.mark.parametrize(
    "text",
    [
        r"(a+)+$",
        r"a*a*b",
        r"<b>(.*?)</b>",
        r"^begin:(?:\w+,)*(?:\w+,)*end$",
        r'\{(?:"[a-z]+":\d+,)*"at":(\d+),"of":(\d+)(?:,"[a-z]+":\d+)*\}',
    ],
)
def test_the_test_finds_slow_expressions(text: str) -> None:
    pattern = re.compile(text)
    assert any(slow_at(pattern.search, piece, head, is_bytes=False) for head, piece in texts_for(pattern))
