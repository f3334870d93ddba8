"""Settings of a librdkafka client that is led to a port; apart, because explored programs load this at each start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKERS = ("bootstrap.servers", "metadata.broker.list")
"""The settings that name brokers."""
_SECURITY = ("security.protocol", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "oauth_cb")


def led_to(settings: Mapping[str, Any], port: str) -> dict[str, Any]:
    """Return a client's settings with a port, in clear, in place of its brokers, if it has any."""
    if not any(settings.get(name) for name in BROKERS):
        return dict(settings)
    kept = {name: value for name, value in settings.items() if not name.startswith((*_SECURITY, *BROKERS))}
    return {**kept, "bootstrap.servers": port}
