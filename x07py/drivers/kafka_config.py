"""librdkafka settings of a Kafka profile, and what librdkafka's events mean for the connection as a whole."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from x07py.drivers.secrets import resolve_secret
from x07py.errors import KafkaError

if TYPE_CHECKING:
    from x07py.contracts.messaging import KafkaProfile

log = logging.getLogger("x07py.drivers.kafka")

START_S = 5.0
"""How long a broker that has never answered is waited for."""
RIDE_OUT_S = 60.0
"""How long brokers that have answered before may be away."""
_ASK_S = 2.0
_MECHANISMS = {"plain_v1": "PLAIN", "scram_v1": "SCRAM-SHA-512"}


def settings_of(profile: KafkaProfile) -> dict[str, Any]:
    """Return the settings that producers and consumers of a profile share.

    Raises:
        DriverError: 9631 for a secret that is not there.
    """
    settings: dict[str, Any] = {"bootstrap.servers": ",".join(profile.bootstrap), "logger": log}
    sasl = profile.sasl_mode != "none_v1"
    settings["security.protocol"] = ("SASL_" if sasl else "") + ("SSL" if profile.tls else "PLAINTEXT")
    if profile.tls and profile.ca_path:
        settings["ssl.ca.location"] = profile.ca_path
    if sasl:
        settings["sasl.mechanism"] = _MECHANISMS[profile.sasl_mode]
        settings["sasl.username"] = resolve_secret(profile.username_secret_id)
        settings["sasl.password"] = resolve_secret(profile.password_secret_id)
    return settings


class Health:
    """What librdkafka has told about the connection of one client, as `error_cb`.

    librdkafka tries again for ever; this is what makes an end of it.
    """

    def __init__(self, profile: KafkaProfile) -> None:
        self.where = f"profile {profile.id!r}, {','.join(profile.bootstrap)}"
        self._answered = False
        self._down_since = 0.0
        self._refusal = ""

    def note(self, error: Any) -> None:
        """Take an event from librdkafka."""
        if error.name() in {"_AUTHENTICATION", "_SSL"}:
            self._refusal = error.str()
        elif error.name() == "_ALL_BROKERS_DOWN" and not self._down_since:
            self._down_since = time.monotonic()

    def answered(self) -> None:
        """Note that a broker has done something for us."""
        self._answered, self._down_since, self._refusal = True, 0.0, ""

    def check(self, client: Any) -> None:
        """Ask the brokers whether they are there, if they have been away for as long as they may.

        Raises:
            KafkaError: 9758 if they refuse the user or the certificate, 9760 if they do not answer.
        """
        if self._refusal and not self._answered:
            raise KafkaError(
                9758, f"the broker refuses the connection: {self._refusal}", where=self.where, hint="x07 explain 9758"
            )
        patience = RIDE_OUT_S if self._answered else START_S
        if not self._down_since or time.monotonic() - self._down_since < patience:
            return
        from confluent_kafka import KafkaException

        try:
            client.list_topics(timeout=_ASK_S)
        except KafkaException as error:
            raise KafkaError(
                9760,
                f"no broker answers within {patience:.0f} s: {error.args[0].str()}",
                where=self.where,
                hint="is it up, and is the address right? x07 doctor tells which brokers answer",
            ) from None
        self.answered()
