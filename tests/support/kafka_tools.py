"""Kafka's own command-line tools, which come beside the broker's jars."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.project import REPOSITORY
from x07py.brokers.native import fetch_kafka, kafka_version

_CACHE = REPOSITORY / ".cache" / "kafka-tools"
_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


def tool(name: str) -> list[str]:
    """Return the command that runs a tool, whose jar is fetched once, by Maven.

    Args:
        name: its class, such as ``org.apache.kafka.tools.TopicCommand``.
    """
    java, maven = shutil.which("java"), shutil.which("mvn")
    assert java, "java is not installed; .ci/brokers installs it"
    assert maven, "mvn is not installed; .ci/brokers installs it"
    jar = _CACHE / f"kafka-tools-{kafka_version()}.jar"
    if not jar.exists():
        artifact = f"-Dartifact=org.apache.kafka:kafka-tools:{kafka_version()}"
        fetch = [maven, "-q", "-B", "dependency:copy", artifact, f"-DoutputDirectory={_CACHE}"]
        subprocess.run(fetch, cwd=Path("/"), check=True, timeout=300)
    return [java, *_FLAGS, "-cp", f"{jar}:{fetch_kafka(print, REPOSITORY)}/*", name]
