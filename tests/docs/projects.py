"""The projects that pages of the documentation start in: what the reader is supposed to have there already."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Callable
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING

from tests.project import EXAMPLE, x07

if TYPE_CHECKING:
    from tests.docs.pages import Block

_LITTER = shutil.ignore_patterns(".x07", ".x07_rr", "out", "__pycache__")
"""What other tests may be making and renaming in the repository meanwhile."""
_SHOP = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n',
    "src/shop/__init__.py": "",
    "src/shop/rates.py": '"""Rates."""\nimport socket\n\n\ndef rate() -> float:\n    return 1.0 + socket.has_ipv6\n',
    "src/shop/pricing/__init__.py": "",
    "src/shop/pricing/tax.py": '"""Tax."""\n\n\nfrom shop import rates\n\n\ndef tax(cents: int) -> float:\n'
    "    return cents * rates.rate()\n",
    "src/shop/web/__init__.py": "from shop.pricing.tax import tax\n\n__all__ = ['tax']\n",
}
_PROGRAM = {
    "shop.py": """
import os
import sys
from confluent_kafka import Producer

producer = Producer({"bootstrap.servers": os.environ["X07_KAFKA_LOCAL_DEV_V1"]})
producer.produce("payments", key=sys.argv[2], value="paid")
assert producer.flush(30) == 0
print(f"customer {sys.argv[2]}: paid")
"""
}


def _written(files: dict[str, str]) -> Callable[[Path, Path], Path]:
    def write(page: Path, folder: Path) -> Path:
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    return write


def _committed(page: Path, folder: Path) -> Path:
    _written(_SHOP)(page, folder)
    author = ["-c", "user.name=shop", "-c", "user.email=shop@shop.example"]
    for command in (["init", "-qb", "main"], ["add", "."], [*author, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def _generated(template: str) -> Callable[[Path, Path], Path]:
    def generate(page: Path, folder: Path) -> Path:
        assert x07("init", "orders", "--template", template, cwd=folder).returncode == 0
        return folder / "orders"

    return generate


def _contracts(page: Path, folder: Path) -> Path:
    shutil.copytree(EXAMPLE / "arch", folder / "arch")
    return folder


def _here(page: Path, folder: Path) -> Path:
    return shutil.copytree(page.parent, folder, ignore=_LITTER, dirs_exist_ok=True)


def _flights(page: Path, folder: Path) -> Path:
    return shutil.copytree(EXAMPLE.parent / "flight_delays", folder, ignore=_LITTER, dirs_exist_ok=True)


SETUPS: dict[str | None, Callable[[Path, Path], Path]] = {
    None: _written({}),
    "contracts": _contracts,
    "flights": _flights,
    "here": _here,
    "program": _written(_PROGRAM),
    "pyproject": _written({"pyproject.toml": '[project]\nname = "app"\nversion = "1"\n'}),
    "shop": _committed,
    "worker": _generated("worker"),
    "worker-amqp": _generated("worker-amqp"),
}
"""By what a page's ``setup`` comment says: makes the project in an empty folder, returns where commands start."""


def put(block: Block, target: Path) -> None:
    """Put a block into a file as its reader would: members of JSON replace those there, TOML comes last."""
    text = target.read_text(encoding="utf-8")
    if block.kind == "json":
        text = dumps({**loads(text), **loads("{" + block.text + "}")}, indent=2, sort_keys=True) + "\n"
    else:
        assert block.kind == "toml", block.kind
        text += "\n" + block.text
        tomllib.loads(text)
    target.write_text(text, encoding="utf-8")
