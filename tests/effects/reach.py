"""Small programs, and what they reach."""

from __future__ import annotations

from pathlib import Path

from x07py.effects.analysis import Answer, Question, analyze
from x07py.effects.finder import Environment, this_environment


def answer(root: Path, files: dict[str, str], *asked: str, environment: Environment | None = None) -> Answer:
    """Write modules by path and ask what some of them reach; the first one if none is named."""
    project = {}
    for path, text in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        project[path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")] = str(file)
    judged = asked or (next(iter(project)),)
    return analyze(Question(project, judged, environment or this_environment(), root=root))


def reached(root: Path, text: str) -> set[str]:
    """Return the capabilities that one module reaches."""
    return {reach.end.capability for reach in answer(root, {"program.py": text}).findings("program")}
