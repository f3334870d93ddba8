"""Listeners with TLS and users on the live brokers, beside the plain one; authority and users are the tests' own."""

from __future__ import annotations

from pathlib import Path

from tests.support.certificates import Authority
from x07py.brokers.native import free_port

USER, PASSWORD = "alice", "alice-knows-0815"
_KAFKA = {name: name for name in ("PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL")} | {
    "PROXIED": "PLAINTEXT",
    "MTLS": "SSL",
    "OAUTH": "SASL_PLAINTEXT",
}
"""The protocol of each listener of Kafka."""
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_MODULES = "org.apache.kafka.common.security"


class Listeners:
    """Where a broker listens: ``port`` for everybody, the others by protocol; and the settings that make it so.

    Kafka tells its clients where to connect: those of its listener ``PROXIED`` are sent to ``proxy_port``, where
    a test has its proxy.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.authority = Authority(folder / "tls")
        self.ports = {name: free_port() for name in (_KAFKA if kind == "kafka" else ("PLAINTEXT", "SSL"))}
        self.port = self.ports["PLAINTEXT"]
        self.proxy_port = free_port()
        key, certificate = self.authority.server("localhost")
        self.settings = self._kafka(key, certificate) if kind == "kafka" else self._amqp(key, certificate)

    def address(self, protocol: str, host: str = "localhost") -> str:
        """Return host:port; the certificate is for localhost and not for 127.0.0.1."""
        return f"{host}:{self.ports[protocol]}"

    def _kafka(self, key: Path, certificate: Path) -> dict[str, str]:
        both = key.with_suffix(".both.pem")
        both.write_bytes(key.read_bytes() + certificate.read_bytes())
        control = free_port()
        places = {name: f"{name}://127.0.0.1:{port}" for name, port in self.ports.items()}
        advertised = {name: f"{name}://{self.address(name)}" for name in _KAFKA} | {
            "PLAINTEXT": places["PLAINTEXT"],
            "PROXIED": f"PROXIED://127.0.0.1:{self.proxy_port}",
        }
        plain = f'{_MODULES}.plain.PlainLoginModule required username="broker" password="b" user_{USER}="{PASSWORD}";'
        protocols = _KAFKA | {"CONTROLLER": "PLAINTEXT"}
        settings = {
            "listeners": ",".join([*places.values(), f"CONTROLLER://127.0.0.1:{control}"]),
            "advertised.listeners": ",".join(advertised.values()),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "controller.quorum.voters": f"1@127.0.0.1:{control}",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(both),
            "sasl.enabled.mechanisms": ",".join(_MECHANISMS),
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.mtls.ssl.truststore.type": "PEM",
            "listener.name.mtls.ssl.truststore.location": str(self.authority.file),
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{_MODULES}.oauthbearer.OAuthBearerLoginModule "
            'required unsecuredLoginStringClaim_sub="broker";',
        }
        for listener in ("sasl_plaintext", "sasl_ssl"):
            for mechanism in _MECHANISMS:
                module = plain if mechanism == "PLAIN" else f"{_MODULES}.scram.ScramLoginModule required;"
                settings[f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config"] = module
        return settings

    def _amqp(self, key: Path, certificate: Path) -> dict[str, str]:
        return {
            "listeners.ssl.1": self.address("SSL", "127.0.0.1"),
            "ssl_options.cacertfile": str(self.authority.file),
            "ssl_options.certfile": str(certificate),
            "ssl_options.keyfile": str(key),
            "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "false",
            "ssl_cert_login_from": "common_name",
            "auth_mechanisms.1": "PLAIN",
            "auth_mechanisms.2": "EXTERNAL",
        }


def add_scram_user(bootstrap: str, password: str = PASSWORD) -> None:
    """Give the Kafka at `bootstrap` the user of the SCRAM mechanisms."""
    from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

    client = AdminClient({"bootstrap.servers": bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        credential = UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), password.encode())
        for done in client.alter_user_scram_credentials([credential]).values():
            done.result(timeout=120)
