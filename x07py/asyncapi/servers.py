"""Servers become broker profiles: where they are, and how one logs in, without a credential in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.contracts.starter import StarterProfile, starter_profile

if TYPE_CHECKING:
    from x07py.asyncapi.reader import Reader
    from x07py.contracts.loader import JsonObject

_PROTOCOLS = {"kafka": "kafka", "kafka-secure": "kafka", "amqp": "amqp", "amqps": "amqp"}
_SASL = {
    "plain": "plain_v1",
    "userPassword": "plain_v1",
    "scramSha256": "scram_sha256_v1",
    "scramSha512": "scram_v1",
    "oauth2": "oauthbearer_v1",
    "openIdConnect": "oauthbearer_v1",
}
_PORTS = {"kafka": 9092, "kafka-secure": 9093, "amqp": 5672, "amqps": 5671}
_VARIABLE = re.compile(r"\{([^{}]+)\}")


def read_profiles(reader: Reader) -> dict[str, list[StarterProfile]]:
    """Return the profiles of a document's servers, ``kafka`` and ``amqp``; what has none is noted."""
    found: dict[str, list[StarterProfile]] = {"kafka": [], "amqp": []}
    for name in sorted(reader.table(reader.document, "servers")):
        server = reader.table(reader.document["servers"], name)
        kind = _PROTOCOLS.get(str(server.get("protocol")))
        host = _filled(reader, name, server, str(server.get("host", "")))
        if kind is None or not host or "{" in host:
            reader.note(f"left out: server {name}, {server.get('protocol')} at {host or 'no host'}")
            continue
        kept = reader.table(server, "x-x07")
        profile = kept_profile(kept) if kept else starter_profile(kind, _id(name))
        server = server | {"pathname": _filled(reader, name, server, str(server.get("pathname", "/")))}
        _address(kind, profile.document, server, host)
        if not kept:
            _security(reader, name, kind, profile.document, server)
        found[kind].append(profile)
    return found


def kept_profile(extension: JsonObject) -> StarterProfile:
    """Return the profile or topology that stands under ``x-x07``."""
    document = extension.get("document")
    return StarterProfile(
        dict(document) if isinstance(document, dict) else {},
        str(extension.get("budget_profile_id", "")),
        str(extension.get("rr_policy_id", "")),
    )


def _id(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")


def _filled(reader: Reader, name: str, server: JsonObject, text: str) -> str:
    """Return a text of a server with its variables replaced, by their default or their first value."""
    variables = reader.table(server, "variables")

    def value(match: re.Match[str]) -> str:
        rule = reader.table(variables, match.group(1))
        values = rule.get("enum")
        chosen = rule.get("default", values[0] if isinstance(values, list) and values else None)
        if chosen is None:
            return match.group()
        reader.note(f"server {name}: {match.group()} is written as {chosen}")
        return str(chosen)

    return _VARIABLE.sub(value, text)


def _address(kind: str, profile: JsonObject, server: JsonObject, host: str) -> None:
    bare, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        bare, port = host, str(_PORTS[server["protocol"]])
    if kind == "kafka":
        profile["bootstrap"] = [f"{bare}:{port}", *profile.get("bootstrap", [])[1:]]
    else:
        path = str(server["pathname"])
        profile |= {"host": bare, "port": int(port), "vhost": "/" if path in {"", "/"} else path.removeprefix("/")}


def _security(reader: Reader, name: str, kind: str, profile: JsonObject, server: JsonObject) -> None:
    """Write into a profile how one logs in: the first scheme that the drivers know."""
    secure = str(server["protocol"]) in {"kafka-secure", "amqps"}
    schemes = [row for row in reader.rows(server, "security") if isinstance(row, dict)]
    types = [str(row.get("type")) for row in schemes]
    part = profile.setdefault("security" if kind == "kafka" else "auth", {})
    part["tls"] = secure
    if kind == "amqp" and not schemes:
        part.pop("username_secret_id", None)
        part.pop("password_secret_id", None)
    ids = {
        "username_secret_id": f"{profile['id']}_username",
        "password_secret_id": f"{profile['id']}_password",
    }
    for row, scheme in zip(schemes, types, strict=True):
        if scheme == "X509":
            reader.note(f"server {name} asks for a certificate: name certificate_path and key_path in its profile")
            part |= {"mechanism": "external_v1"} if kind == "amqp" else {}
            break
        if kind == "amqp" and scheme in {"plain", "userPassword"}:
            part |= ids
            break
        mode = _SASL.get(scheme) if kind == "kafka" else None
        if mode is not None:
            part |= {"sasl_mode": mode} | (_token(row, ids) if mode == "oauthbearer_v1" else ids)
            break
    else:
        if types:
            reader.note(f"left out: how one logs in at server {name}, {', '.join(types)}")


def _token(scheme: JsonObject, ids: dict[str, str]) -> dict[str, Any]:
    """Return where a token comes from: the flow of client credentials, if the scheme has it."""
    flows = scheme.get("flows")
    flow = flows.get("clientCredentials") if isinstance(flows, dict) else None
    url = flow.get("tokenUrl") if isinstance(flow, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return {}
    scopes = scheme.get("scopes")
    scope = " ".join(map(str, scopes)) if isinstance(scopes, list) else ""
    return ids | {"token_url": url} | ({"token_scope": scope} if scope else {})
