"""A service's manifest as objects of Kubernetes and KEDA."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.drivers.secrets import secret_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.contracts.service import Probes, Service

_SASL = {
    "plain_v1": "plaintext",
    "scram_v1": "scram_sha512",
    "scram_sha256_v1": "scram_sha256",
    "oauthbearer_v1": "oauthbearer",
}
"""Kafka's ways to log in, as KEDA calls them."""
_SPARE_S = 15
"""Seconds on top of the drain time until Kubernetes kills."""


def kubernetes(service: Service, profile: Any, *, image: str, command: Sequence[str]) -> dict[str, Any]:
    """Return a List of a Deployment and, where the service scales, of KEDA's ScaledObject and TriggerAuthentication.

    Args:
        service: the manifest.
        profile: the broker profile that it names.
        image: of the container.
        command: of the container; its own if empty.
    """
    items = [_deployment(service, profile, image, command)]
    if service.scaling is not None:
        items += _scaling(service, profile)
    return {"apiVersion": "v1", "kind": "List", "items": items}


def name_of(service: Service) -> str:
    """Return the name of a service's objects: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", service.id.lower()).strip("-")[:60]


def _deployment(service: Service, profile: Any, image: str, command: Sequence[str]) -> dict[str, Any]:
    name = name_of(service)
    container: dict[str, Any] = {"name": "worker", "image": image}
    if command:
        container["command"] = list(command)
    secrets = _secrets(profile)
    if secrets:
        container["env"] = [
            {"name": secret_variable(one), "valueFrom": {"secretKeyRef": {"name": name, "key": one}}} for one in secrets
        ]
    if service.probes is not None:
        container |= _probes(service.probes)
    spec: dict[str, Any] = {"terminationGracePeriodSeconds": int(service.drain_s) + _SPARE_S, "containers": [container]}
    labels = {"app.kubernetes.io/name": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            **({} if service.scaling else {"replicas": 1}),
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def _probes(probes: Probes) -> dict[str, Any]:
    def probe(path: str, period_s: int, failures: int) -> dict[str, Any]:
        get = {"path": path, "port": "probes"}
        return {"httpGet": get, "periodSeconds": period_s, "timeoutSeconds": 5, "failureThreshold": failures}

    return {
        "ports": [{"name": "probes", "containerPort": probes.port}],
        "startupProbe": probe("/livez", 2, 60),
        "livenessProbe": probe("/livez", 10, 3),
        "readinessProbe": probe("/readyz", 5, 2),
    }


def _secrets(profile: Any) -> list[str]:
    certificate = profile.certificate.key_password_secret_id if profile.certificate else ""
    return [one for one in (profile.username_secret_id, profile.password_secret_id, certificate) if one]


def _scaling(service: Service, profile: Any) -> list[dict[str, Any]]:
    scaling, name = service.scaling, name_of(service)
    if scaling is None:
        return []
    trigger, secret = SCALED_BY[service.driver](service, profile, scaling.messages_per_replica)
    uses = {"authenticationRef": {"name": name}} if secret else {}
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": scaling.min_replicas,
            "maxReplicaCount": scaling.max_replicas,
            "triggers": [{"type": trigger[0], "metadata": one, **uses} for one in trigger[1]],
        },
    }
    refs = [{"parameter": parameter, "name": name, "key": key} for parameter, key in secret.items()]
    found = [scaled]
    if refs:
        found.append(
            {
                "apiVersion": "keda.sh/v1alpha1",
                "kind": "TriggerAuthentication",
                "metadata": {"name": name},
                "spec": {"secretTargetRef": refs},
            }
        )
    return found


_Trigger = tuple[tuple[str, list[dict[str, str]]], dict[str, str]]
"""Type and metadata of a trigger for each source, and keys of the secret by KEDA's parameters."""


def _kafka(service: Service, profile: Any, threshold: int) -> _Trigger:
    common = {"bootstrapServers": ",".join(profile.bootstrap), "consumerGroup": service.group}
    common |= {"lagThreshold": str(threshold), "offsetResetPolicy": "earliest"}
    common |= {"sasl": _SASL[profile.sasl_mode]} if profile.sasl_mode in _SASL else {}
    common |= {"tls": "enable"} if profile.tls else {}
    secret = {"username": profile.username_secret_id, "password": profile.password_secret_id}
    rows = [{**common, "topic": topic} for topic in service.sources]
    return ("kafka", rows), {parameter: key for parameter, key in secret.items() if key}


def _amqp(service: Service, profile: Any, threshold: int) -> _Trigger:
    """KEDA takes user and password within an address, so the secret holds one besides what the program is given."""
    common = {"protocol": "amqp", "mode": "QueueLength", "value": str(threshold), "vhostName": profile.vhost}
    return ("rabbitmq", [{**common, "queueName": queue} for queue in service.sources]), {"host": "host"}


SCALED_BY: dict[str, Callable[[Service, Any, int], _Trigger]] = {"kafka": _kafka, "amqp": _amqp}
"""What makes KEDA's triggers, by kind of driver."""
