"""A service's manifest as objects of Kubernetes and KEDA."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from x07py.drivers.plugin import Workload
from x07py.drivers.secrets import secret_variable
from x07py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.contracts.service import Probes, Scaling, Service
    from x07py.drivers.plugin import DriverPlugin

_SPARE_S = 15
"""Seconds on top of the drain time until Kubernetes kills."""


def kubernetes(
    service: Service, plugin: DriverPlugin[Any], profile: Any, *, image: str, command: Sequence[str]
) -> dict[str, Any]:
    """Return a List of a Deployment and, where the service scales, of KEDA's ScaledObject and TriggerAuthentication.

    Args:
        service: the manifest.
        plugin: the driver that it names.
        profile: the broker profile that it names.
        image: of the container.
        command: of the container; its own if empty.

    Raises:
        UsageError: ``X07_USAGE`` if the service scales, and the driver does not say by what.
    """
    items = [_deployment(service, plugin.secret_ids(profile), image, command)]
    if service.scaling is not None:
        items += _scaling(service, service.scaling, plugin, profile)
    return {"apiVersion": "v1", "kind": "List", "items": items}


def name_of(service: Service) -> str:
    """Return the name of a service's objects: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", service.id.lower()).strip("-")[:60]


def _deployment(service: Service, secrets: Sequence[str], image: str, command: Sequence[str]) -> dict[str, Any]:
    name = name_of(service)
    container: dict[str, Any] = {"name": "worker", "image": image}
    if command:
        container["command"] = list(command)
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


def _scaling(service: Service, scaling: Scaling, plugin: DriverPlugin[Any], profile: Any) -> list[dict[str, Any]]:
    if plugin.keda is None:
        message = f"the driver {service.driver} does not say what KEDA scales by"
        hint = "take scaling out of the manifest, or ask the driver's author for DriverPlugin.keda"
        raise UsageError("X07_USAGE", message, where=service.id, hint=hint)
    name = name_of(service)
    kind, rows, secret = plugin.keda(profile, Workload(service.sources, service.group, scaling.messages_per_replica))
    uses = {"authenticationRef": {"name": name}} if secret else {}
    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": scaling.min_replicas,
            "maxReplicaCount": scaling.max_replicas,
            "triggers": [{"type": kind, "metadata": one, **uses} for one in rows],
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
