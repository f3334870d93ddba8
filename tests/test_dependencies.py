"""No bound of ours keeps another library's current version from being installed beside us."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPANY = (
    "celery",
    "dbt-core",
    "dramatiq[rabbitmq]",
    "faststream[rabbit,confluent,cli]",
    "quixstreams",
    "pydantic",
    "pytest",
    "pytest-asyncio",
    "pytest-xdist",
    "rich",
    "typer",
)


def resolved(*requirements: str) -> dict[str, str]:
    done = subprocess.run(
        [Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-"],
        input="\n".join(requirements),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", done.stdout, re.MULTILINE))


def test_no_requirement_has_an_upper_bound() -> None:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    assert [line for line in (*PROJECT["dependencies"], *extras) if re.search(r"[<~]|==", line)] == []


@pytest.mark.parametrize("other", COMPANY)
def test_the_newest_of_what_people_use_resolves_beside_us(other: str) -> None:
    alone = resolved(other)
    beside = resolved(other, f"x07py[kafka,amqp,wire,avro,protobuf,registry] @ file://{ROOT}")
    name = re.split(r"\[", other)[0]
    assert beside[name] == alone[name]
