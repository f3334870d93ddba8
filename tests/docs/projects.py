"""The projects that pages of the documentation start in: what the reader is supposed to have there already."""

from __future__ import annotations

import ast
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.project import EXAMPLE, x07

if TYPE_CHECKING:
    from tests.docs.pages import Block

_LITTER = shutil.ignore_patterns(".x07", ".x07_rr", "out", "__pycache__")
"""What other tests may be making and renaming in the repository meanwhile."""
_SHOP = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n',
    "src/shop/__init__.py": "",
    "src/shop/rates.py": '"""Rates."""\nimport smtplib\n\n\ndef rate() -> float:\n    return 1.0 + smtplib.SMTP_PORT\n',
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
_TESTED = {
    "shop.py": """
import os
from confluent_kafka import Producer


def checkout(basket):
    errors = []
    producer = Producer({"bootstrap.servers": os.environ["X07_KAFKA_LOCAL_DEV_V1"]})
    producer.produce("orders", key="7", value=repr(basket), on_delivery=lambda error, message: errors.append(error))
    producer.flush(30)
    return "paid" if errors == [None] else "failed"
""",
    "test_shop.py": "",
}


_ON_KAFKA = {
    "test_confluent.py": """
import os
from confluent_kafka import Producer

BROKER = os.environ["X07_KAFKA_LOCAL_DEV_V1"]


def test_an_order_is_confirmed():
    producer = Producer({"bootstrap.servers": BROKER})
    errors = []
    producer.produce("orders", key="7", value="tea", on_delivery=lambda error, message: errors.append(error))
    producer.flush(30)
    assert errors == [None]
""",
    "test_aio.py": """
import asyncio
import os
from aiokafka import AIOKafkaProducer

BROKER = os.environ["X07_KAFKA_LOCAL_DEV_V1"]


async def send():
    producer = AIOKafkaProducer(bootstrap_servers=BROKER)
    await producer.start()
    try:
        return await producer.send_and_wait("orders", b"tea", key=b"7")
    finally:
        await producer.stop()


def test_an_order_has_a_place():
    assert asyncio.run(send()).topic == "orders"
""",
}
_ON_RABBITMQ = {
    "test_pika.py": """
import os
import pika

BROKER = f"amqp://guest:guest@{os.environ['X07_AMQP_LOCAL_DEV_V1']}/"


def test_an_order_comes_back():
    with pika.BlockingConnection(pika.URLParameters(BROKER)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, b"tea")
        method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert body == b"tea"
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
    "existing-kafka": _written(_ON_KAFKA),
    "existing-rabbitmq": _written(_ON_RABBITMQ),
    "flights": _flights,
    "here": _here,
    "program": _written(_PROGRAM),
    "pyproject": _written({"pyproject.toml": '[project]\nname = "app"\nversion = "1"\n'}),
    "shop": _committed,
    "tested": _written(_TESTED),
    "worker": _generated("worker"),
    "worker-amqp": _generated("worker-amqp"),
}
"""By what a page's ``setup`` comment says: makes the project in an empty folder, returns where commands start."""


def put(block: Block, target: Path) -> None:
    """Put a block into a file as its reader would: members of JSON replace those there, other text comes last."""
    text = target.read_text(encoding="utf-8")
    if block.kind == "json":
        text = dumps({**loads(text), **loads("{" + block.text + "}")}, indent=2, sort_keys=True) + "\n"
    else:
        assert block.kind in ("toml", "python"), block.kind
        text += "\n" + block.text
        (tomllib.loads if block.kind == "toml" else ast.parse)(text)
    target.write_text(text, encoding="utf-8")
