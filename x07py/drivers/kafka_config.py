"""librdkafka settings of a Kafka profile, and what librdkafka's events mean for the connection as a whole."""

from __future__ import annotations

import logging
import re
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

from x07py.drivers.client_log import client_log
from x07py.drivers.kafka_tokens import TokenSource
from x07py.drivers.secrets import resolve_secret, warn_of_cleartext
from x07py.drivers.trust import load_certificate, trust
from x07py.errors import ContractError, DriverError, LoginRefusedError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.kafka_contract import KafkaProfile
    from x07py.drivers.kafka_tokens import Token

_Client = TypeVar("_Client")

log: logging.Logger = logging.getLogger("x07py.drivers.kafka")

START_S = 5.0
"""How long a broker that has never answered is waited for, where connections are refused."""
SILENT_S = 10.0
"""How long, where nothing at all comes back."""
RIDE_OUT_S = 60.0
"""How long brokers that have answered before may be away."""
QUIET_S = 10.0
"""How long nothing may come from them before they are asked whether they are there."""
_ASK_S = 2.0
_REQUEST_MS = 30_000
"""How long a request waits for its answer, as in Kafka's own clients; librdkafka's minute keeps a commit, and with it
the end of a program, from giving up a broker that hangs."""
_SILENCE = "nothing comes back"
_LOG = "x07py.drivers.kafka.client"
_MECHANISMS = {
    "plain_v1": "PLAIN",
    "scram_v1": "SCRAM-SHA-512",
    "scram_sha256_v1": "SCRAM-SHA-256",
    "oauthbearer_v1": "OAUTHBEARER",
}
_ADDRESS = re.compile(r"^(?=\S*?(?:://|:\d+/))\S+(?<=:) ")
_AFTER = re.compile(r" \(after \d+ms in state [^(]*\)$")
_UNSET = "OAuth token"
_CERTIFICATE = "is ca_path the authority of the broker's certificate, and its host name the one in bootstrap?"
_OTHER_LISTENER = "is a Kafka broker at this port, and do tls and sasl_mode of the profile fit its listener?"


class Settings(dict[str, Any]):
    """librdkafka settings; they hold a password, so a log or a debugger is shown their names alone."""

    def __repr__(self) -> str:
        return f"Settings({', '.join(sorted(self))})"


def settings_of(profile: KafkaProfile, token: Token | None = None) -> Settings:
    """Return the settings that producers and consumers of a profile share.

    Args:
        profile: the broker profile.
        token: gives the tokens for ``oauthbearer_v1``, where the profile names no server for them.

    Raises:
        ContractError: 9750 if the file of certificate authorities cannot be used.
        DriverError: 9631 for a secret that is not there.
    """
    settings = Settings({"bootstrap.servers": ",".join(profile.bootstrap), "logger": client_log(_LOG)})
    sasl = profile.sasl_mode != "none_v1"
    settings["socket.timeout.ms"] = _REQUEST_MS
    settings["security.protocol"] = ("SASL_" if sasl else "") + ("SSL" if profile.tls else "PLAINTEXT")
    if profile.tls and profile.ca_path:
        trust(profile.ca_path, 9750)
        settings["ssl.ca.location"] = profile.ca_path
    if profile.certificate is not None:
        if not profile.tls:
            raise ContractError(9750, "a client's certificate without tls", hint="set tls of the profile's security")
        load_certificate(profile.certificate, 9750)
        settings["ssl.certificate.location"] = profile.certificate.certificate_path
        settings["ssl.key.location"] = profile.certificate.key_path
        if profile.certificate.key_password_secret_id:
            settings["ssl.key.password"] = resolve_secret(profile.certificate.key_password_secret_id)
    if sasl:
        if not profile.tls:
            warn_of_cleartext(profile.id, profile.bootstrap)
        settings["sasl.mechanism"] = _MECHANISMS[profile.sasl_mode]
        settings |= _tokens(profile, token) if profile.sasl_mode == "oauthbearer_v1" else _user(profile)
    return Settings(settings | profile.client_settings)


def _user(profile: KafkaProfile) -> dict[str, Any]:
    return {
        "sasl.username": resolve_secret(profile.username_secret_id),
        "sasl.password": resolve_secret(profile.password_secret_id),
    }


def _tokens(profile: KafkaProfile, token: Token | None) -> dict[str, Any]:
    if token is not None:
        return {"oauth_cb": TokenSource(token)}
    if not profile.token_url:
        raise ContractError(
            9750,
            "sasl_mode oauthbearer_v1 needs a source of tokens",
            where=f"profile {profile.id!r}",
            hint="give token_url and two secrets in the profile's security, or open_driver(token=...)",
        )
    settings = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": profile.token_url,
        "sasl.oauthbearer.client.id": resolve_secret(profile.username_secret_id),
        "sasl.oauthbearer.client.secret": resolve_secret(profile.password_secret_id),
    }
    if profile.ca_path and profile.token_url.startswith("https:"):
        settings["https.ca.location"] = profile.ca_path
    return settings | ({"sasl.oauthbearer.scope": profile.token_scope} if profile.token_scope else {})


def client(make: Callable[[dict[str, Any]], _Client], settings: dict[str, Any], where: str) -> _Client:
    """Return a client of librdkafka with these settings.

    Raises:
        ContractError: 9750 if it does not know a setting, or its value.
        LoginRefusedError: 9758 if the program's function gives no token, which is waited for.
    """
    from confluent_kafka import KafkaException

    try:
        return make(settings)
    except (KafkaException, TypeError, ValueError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        source = settings.get("oauth_cb")
        if isinstance(source, TokenSource) and source.reason and _UNSET in reason:
            hint = "look at the function that open_driver(token=...) was given"
            raise LoginRefusedError(
                9758, f"there is no token for the broker: {source.reason}", where=where, hint=hint
            ) from source.error
        raise ContractError(
            9750, f"the client does not take its settings: {reason}", where=where, hint="correct client_settings"
        ) from None


class Health:
    """What librdkafka has told about the connection of one client, as `error_cb`.

    librdkafka tries again for ever; this is what makes an end of it.
    """

    def __init__(self, profile: KafkaProfile) -> None:
        self.where: str = f"profile {profile.id!r}, {','.join(profile.bootstrap)}"
        self._profile = profile
        self._answered = False
        self._down_since = self._asked_since = self._heard = 0.0
        self._reason = ""
        self._refused = False
        self._hint = ""

    def note(self, error: Any) -> None:
        """Take an event from librdkafka."""
        name = error.name()
        if name == "_ALL_BROKERS_DOWN":
            self._down_since = self._down_since or time.monotonic()
            return
        text = _AFTER.sub("", _ADDRESS.sub("", error.str()))
        if name == "_AUTHENTICATION":
            self._refuse(text, self._secrets())
        elif name == "_SSL" or "SSL" in text:
            self._refuse(text, _CERTIFICATE if "certificate" in text else _OTHER_LISTENER)
        elif name in {"_TRANSPORT", "_RESOLVE"}:
            self._reason = text

    def _refuse(self, reason: str, hint: str) -> None:
        self._reason, self._hint, self._refused = reason, hint, True

    def _secrets(self) -> str:
        profile = self._profile
        names = [name for name in (profile.username_secret_id, profile.password_secret_id) if name]
        what = f"the secrets {' and '.join(map(repr, names))}" if names else "the token"
        if profile.token_url:
            what += f", token_url {profile.token_url}"
        return f"check {what}, and that the broker has sasl_mode {profile.sasl_mode} at this port"

    def answered(self) -> None:
        """Note that a broker has done something for us."""
        self._answered, self._refused, self._down_since, self._reason = True, False, 0.0, ""
        self._heard = time.monotonic()

    def check(self, client: Any, topic: str | None = None) -> None:
        """Ask the brokers whether they are there, if they have been quiet, or away for as long as they may.

        Args:
            client: asks.
            topic: what to ask for where that is often, instead of everything.

        Raises:
            DriverError: 9758 if they refuse the user or the certificate, 9760 if they do not answer.
        """
        if self._refused and not self._answered:
            raise self._refusal(self._reason, self._hint)
        now = time.monotonic()
        self._asked_since = self._asked_since or now
        self._listen(client, topic, now)
        silent = self._nothing_comes()
        patience = RIDE_OUT_S if self._answered else SILENT_S if silent else START_S
        since = self._asked_since if silent else self._down_since
        if not since or now - since < patience:
            return
        told = self.away(client, topic)
        if not told:
            return
        if not (self._answered or self._reason or silent) and self._someone_listens():
            raise self._refusal("something listens there and ends the connection", _OTHER_LISTENER)
        raise UnreachableError(
            9760,
            f"no broker answers within {patience:.0f} s: {self._reason or (_SILENCE if silent else told)}",
            where=self.where,
            hint="is it up, and is the address right? x07 doctor tells which brokers answer",
        )

    def _listen(self, client: Any, topic: str | None, now: float) -> None:
        """Ask brokers that have been quiet: librdkafka keeps a connection on which one that hangs says nothing."""
        if self._answered and not self._down_since and now - self._heard >= QUIET_S and self.away(client, topic):
            self._down_since, self._reason = now, _SILENCE
            log.warning("%s: no broker answers; waiting for one for %.0f s", self.where, RIDE_OUT_S)

    def away(self, client: Any, topic: str | None = None, patience_s: float = _ASK_S) -> str:
        """Ask the brokers whether they are there; return why not, nothing if they are."""
        from confluent_kafka import KafkaException

        try:
            client.list_topics(topic, timeout=patience_s)
        except KafkaException as error:
            reason: str = error.args[0].str()
            return reason
        self.answered()
        return ""

    def _nothing_comes(self) -> bool:
        """Tell whether librdkafka lost its connections, if it did, only because it had waited long enough itself."""
        at_last = self._down_since + START_S >= self._asked_since + SILENT_S
        return not self._answered and (not self._down_since or at_last)

    def _refusal(self, reason: str, hint: str) -> DriverError:
        return LoginRefusedError(9758, f"the broker refuses the connection: {reason}", where=self.where, hint=hint)

    def _someone_listens(self) -> bool:
        """Tell whether a connection to the first address comes about; librdkafka says nothing about those it loses."""
        host, _, port = self._profile.bootstrap[0].rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=_ASK_S):
                return True
        except (OSError, ValueError):
            return False
