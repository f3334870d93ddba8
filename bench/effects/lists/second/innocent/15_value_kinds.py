# innocent -- isinstance checks against Path, IOBase, Random and Thread
import io
import random
import threading
from pathlib import PurePath

_LABELS = (
    (PurePath, "path"),
    (io.IOBase, "stream"),
    (random.Random, "generator"),
    (threading.Thread, "worker"),
)


def kind_of(value: object) -> str:
    return next((label for kind, label in _LABELS if isinstance(value, kind)), "plain")
