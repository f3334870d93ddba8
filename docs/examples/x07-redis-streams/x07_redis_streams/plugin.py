"""What x07py finds by the entry point; imports no client until it connects."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from x07_redis_streams.contracts import RedisProfile, profile_ids, read_profile
from x07py.drivers import (
    Backend,
    ClientOptions,
    DevelopmentBroker,
    Dialect,
    DriverPlugin,
    Limits,
    addresses_of_environment,
)
from x07py.errors import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TOO_LARGE = 9911
REDIS = Dialect.of("redis", 128, ("stream", "ms", "seq"), ("ack", "nack", "commit", "lag"), TOO_LARGE)


def addressed(profile: RedisProfile) -> RedisProfile:
    """Return the profile with the address that ``X07_REDIS_<PROFILE>`` names, if it does."""
    addresses = addresses_of_environment("redis", profile.id)
    if not addresses:
        return profile
    host, _, port = addresses[0].rpartition(":")
    return replace(profile, host=host.strip("[]"), port=int(port))


def _connect(profile: RedisProfile, options: ClientOptions) -> Backend:
    from x07_redis_streams.backend import RedisBackend

    settings: Mapping[str, str | float] = options.settings
    return RedisBackend(addressed(profile), REDIS, str(settings.get("consumer", "")))


def _addresses(profile: RedisProfile) -> tuple[str, ...]:
    one = addressed(profile)
    return (f"[{one.host}]:{one.port}" if ":" in one.host else f"{one.host}:{one.port}",)


def _server(folder: Path, port: int) -> list[str]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        hint = "apt-get install redis-server, or valkey-server"
        raise NotInstalledError(9904, "the program 'redis-server' is not installed", hint=hint)
    place = ["--dir", str(folder), "--port", str(port), "--bind", "127.0.0.1"]
    return [program, *place, "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2) as link:
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


REDIS_DRIVER = DriverPlugin(
    dialect=REDIS,
    read_profile=read_profile,
    profile_ids=profile_ids,
    connect=_connect,
    limits=lambda profile: Limits(profile.max_message_bytes, profile.max_poll_items),
    addresses=_addresses,
    development=DevelopmentBroker(6379, _server, _answers),
    install_hint="x07 pkg add x07-redis-streams --sync",
    schemes={"redis": 6379, "rediss": 6379},
)
