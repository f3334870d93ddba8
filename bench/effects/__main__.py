"""Score the lists: ``python -m bench.effects [FOLDER] [--python ENVIRONMENT]``.

A folder holds, at any depth, ``reach/*.py`` (each reaches something), ``innocent/*.py`` (each reaches nothing) and
``twins/*.py``: pairs ``NAME__reaches.py`` and ``NAME__innocent.py``, or ``NAME_a.py`` and ``NAME_b.py``, of which the
one that reaches says so in its first line, ``# reaches: CAPABILITY, CAPABILITY -- why``. Each module is asked about
alone. Where the first line names capabilities, it is counted, too, how often one of them was found.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

from x07py.effects.analysis import Answer, Question, analyze
from x07py.effects.finder import Environment, environment_of, this_environment

LISTS = Path(__file__).with_name("lists")
_SAME = {"native code": "native", "event-loop": "clock"}
"""Names of one thing; what the event loop is asked for is its clock."""


def ask(file: Path, environment: Environment) -> Answer:
    """Return what a module reaches, under a name that shadows no library."""
    name = f"case_{file.stem}"
    return analyze(Question({name: str(file)}, (name,), environment, root=file.parent))


def reached(file: Path, environment: Environment) -> dict[str, str]:
    """Return what a module reaches: a chain as a line of text, by capability."""
    return {
        reach.end.capability: " > ".join(f"{step.module}:{step.line} {step.target}" for step in reach.steps)
        for reach in reversed(ask(file, environment).findings(f"case_{file.stem}"))
    }


def said(file: Path) -> set[str]:
    """Return the capabilities that the first line of a module names."""
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    found = re.match(r"# reaches: ([a-z, -]+?) --", first)
    return {_SAME.get(name, name) for name in found[1].split(", ")} if found else set()


def score(title: str, files: list[Path], environment: Environment, *, wanted: bool) -> set[str]:
    """Print how many of some modules are told right, and those that are not; return the right ones without side."""
    right: set[str] = set()
    begun = time.perf_counter()
    wrong, named, exact = [], 0, 0
    for file in sorted(files):
        found = reached(file, environment)
        if bool(found) == wanted:
            right.add(_pair(file))
        else:
            wrong.append(f"  {file.stem}" + "".join(f"\n      {key}: {line}" for key, line in [*found.items()][:3]))
        if expected := said(file):
            named += 1
            exact += bool(expected & {_SAME.get(name, name) for name in found})
    if files:
        print(f"{title}: {len(right)} of {len(files)} in {time.perf_counter() - begun:.1f} s", flush=True)
        print("\n".join(wrong), flush=True) if wrong else None
        print(f"  for what their first line names: {exact} of {named}", flush=True) if named else None
    return right


def _reaches(file: Path) -> bool:
    return file.stem.endswith("__reaches") or bool(said(file))


def _pair(file: Path) -> str:
    return re.sub(r"(__reaches|__innocent|_[ab])$", "", str(file.with_suffix("")))


def main() -> None:
    """Score a folder of lists."""
    parser = argparse.ArgumentParser(prog="bench.effects", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=LISTS)
    parser.add_argument("--python", type=Path)
    given = parser.parse_args()
    environment = environment_of(given.python) if given.python else this_environment()
    score("reach found", list(given.folder.glob("**/reach/*.py")), environment, wanted=True)
    score("innocent passed", list(given.folder.glob("**/innocent/*.py")), environment, wanted=False)
    twins = list(given.folder.glob("**/twins/*.py"))
    found = score("twins that reach", [file for file in twins if _reaches(file)], environment, wanted=True)
    passed = score("twins that do not", [file for file in twins if not _reaches(file)], environment, wanted=False)
    print(f"pairs of twins told apart: {len(found & passed)} of {len(twins) // 2}")


if __name__ == "__main__":
    main()
