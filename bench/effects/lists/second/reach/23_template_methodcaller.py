# reaches: files-read -- operator.methodcaller("read_text") applied to Path objects
from operator import methodcaller
from pathlib import Path

_read = methodcaller("read_text", encoding="utf-8")


def join_templates(names: list[str]) -> str:
    parts = map(Path, names)
    return "\n".join(map(_read, parts))
