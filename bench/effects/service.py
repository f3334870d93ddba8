"""How long effects of a service take: ``python -m bench.effects.service --python ENVIRONMENT``.

Three services of one module each, which use the first 3, 10 or all of a list of libraries. Each is asked about cold
(nothing kept from earlier runs), again after its own module changed, and again with nothing changed, in a process of
its own. Seconds are of the processor, since other work on a machine makes all others longer.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.measure import table

SERVICE = """
from pydantic import BaseModel
class Order(BaseModel):
    number: int
    def text(self): return self.model_dump_json()

import jinja2
def page(text, **given): return jinja2.Template(text).render(**given)

import requests
def fetch(url): return requests.get(url, timeout=3).json()

import sqlalchemy
def rows(url):
    with sqlalchemy.create_engine(url).connect() as connection:
        return connection.execute(sqlalchemy.text('select 1')).all()

import aiohttp
async def get(url):
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as answer:
            return await answer.text()

import stripe
def pay(cents): return stripe.PaymentIntent.create(amount=cents, currency='eur')

import structlog
def log(text): structlog.get_logger().info(text)

import tenacity
@tenacity.retry(stop=tenacity.stop_after_attempt(3))
def again(f): return f()

import yaml
def load(text): return yaml.safe_load(text)

import httpx
def head(url): return httpx.head(url).status_code

import attrs
@attrs.define
class Line:
    sku: str
def line(sku): return Line(sku)

import click
def shout(text): click.echo(text)

import arrow
def moment(text): return arrow.get(text)

from dateutil.parser import parse
def when(text): return parse(text)

import orjson
def pack(value): return orjson.dumps(value)

import jsonschema
def valid(schema, value):
    return jsonschema.Draft202012Validator(schema).is_valid(value)

from markdown_it import MarkdownIt
def html(text): return MarkdownIt().render(text)

from more_itertools import chunked
def parts(rows): return list(chunked(rows, 2))

import networkx
def paths(edges): return networkx.shortest_path(networkx.Graph(edges), 1, 2)

from rich.text import Text
def plain(text): return Text.from_markup(text).plain

import tomlkit
def toml(text): return tomlkit.parse(text)

import toolz
def groups(rows): return toolz.groupby(len, rows)

import msgspec
def decode(data): return msgspec.json.decode(data)

from pydantic_settings import BaseSettings
class Settings(BaseSettings):
    name: str = ''
def settings(): return Settings()
"""
"""One library each, parted by empty lines."""
USES = SERVICE.strip().split("\n\n")
SIZES = (3, 10, len(USES))
ASK = """
import resource, sys
from pathlib import Path
from x07py.effects.analysis import Question, analyze
from x07py.effects.finder import environment_of
file = Path(sys.argv[1])
answer = analyze(Question({"service": str(file)}, ("service",), environment_of(Path(sys.argv[2])), root=file.parent))
print(answer.summary())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def ask(service: Path, environment: Path, cache: Path) -> tuple[float, float, str]:
    """Return seconds of the processor, MiB and what was read."""
    variables = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [
        sys.executable,
        "-c",
        f"{ASK}\n",
    ]
    done = subprocess.run(
        [*command, str(service), str(environment)], env=variables, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    read, kibibytes = done.stdout.splitlines()
    return seconds, int(kibibytes) / 1024, read


def main() -> None:
    """Measure each size, and print."""
    parser = argparse.ArgumentParser(prog="bench.effects.service", description=__doc__)
    parser.add_argument("--python", type=Path, required=True)
    environment = parser.parse_args().python
    rows: list[list[object]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
            service = Path(folder) / "service.py"
            service.write_text("".join(f"{part}\n" for part in USES[:size]), encoding="utf-8")
            for case in ("cold", "one module changed", "nothing changed"):
                if case == "one module changed":
                    service.write_text(f"{service.read_text(encoding='utf-8')}def more(): return 1\n", encoding="utf-8")
                seconds, mebibytes, read = ask(service, environment, Path(cache))
                rows.append([size, read, case, f"{seconds:.2f}", f"{mebibytes:.0f}"])
    print(table(["libraries used", "read", "case", "processor, s", "MiB"], rows))


if __name__ == "__main__":
    main()
