# innocent -- PurePosixPath and posixpath functions only compute with names
from pathlib import PurePosixPath
from posixpath import join, normpath, splitext


def archive_key(name: str, day: str) -> str:
    path = PurePosixPath("archive") / day / name
    return str(path.with_suffix(".json.gz"))


def safe_key(prefix: str, name: str) -> str:
    key = normpath(join(prefix, name))
    if not PurePosixPath(key).is_relative_to(prefix):
        raise ValueError("key leaves its prefix")
    return splitext(key)[0]
