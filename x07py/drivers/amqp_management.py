"""RabbitMQ's management API, asked for what AMQP does not tell: bindings, policies, types of exchanges.

It is asked where the profile has a ``management_url``, with the profile's user, and only read.
"""

from __future__ import annotations

import asyncio
import base64
import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from x07py.drivers.amqp_link import reason_of
from x07py.drivers.secrets import resolve_secret, warn_of_cleartext
from x07py.drivers.trust import load_certificate, trust
from x07py.rr.above import recorded_above

if TYPE_CHECKING:
    from x07py.drivers.amqp_contract import AmqpProfile
    from x07py.drivers.base import Json

_ANSWER_S = 5.0
_MOST_BYTES = 16 * 1024 * 1024
_OK, _MISSING = 200, 404
_REFUSED = {401: "it refuses the user", 403: "the user may not ask it"}


class NoManagementError(Exception):
    """The management API cannot be asked; the text says why."""


class Management:
    """The management API of a profile's broker.

    Args:
        profile: with its ``management_url``.
    """

    def __init__(self, profile: AmqpProfile) -> None:
        self._profile = profile

    async def exchange_types(self) -> frozenset[str]:
        """Return the types of exchanges that the broker has.

        Raises:
            NoManagementError: there is no such API, it does not answer, not to this user, or without the types.
        """
        if not self._profile.management_url:
            raise NoManagementError("the profile has no management_url")
        found = await self._get("overview")
        rows = found.get("exchange_types") if isinstance(found, dict) else None
        if not rows:
            raise NoManagementError("it does not list the types of exchanges")
        return frozenset(str(row["name"]) for row in _rows(rows) if "name" in row)

    async def is_bound(self, source: str, kind: str, target: str, key: str, arguments: Json) -> bool:
        """Tell whether a binding is there.

        Args:
            source: the exchange.
            kind: ``queue`` or ``exchange``.
            target: which one.
            key: the routing key.
            arguments: of the binding.

        Raises:
            NoManagementError: it answers no more.
        """
        found = await self._get("bindings", self._profile.vhost, "e", source, kind[0], target)
        return any(row.get("routing_key") == key and row.get("arguments") == arguments for row in _rows(found))

    async def policies_of(self, kind: str, name: str) -> str:
        """Return which policies hold for an exchange or queue and what they set, for people; empty if none does.

        Raises:
            NoManagementError: it answers no more.
        """
        found = await self._get(f"{kind}s", self._profile.vhost, name)
        if not isinstance(found, dict):
            return ""
        held = [(word, found.get(f"{word.replace(' ', '_')}")) for word in ("policy", "operator policy")]
        names = " and ".join(f"{word} {given!r}" for word, given in held if isinstance(given, str) and given)
        sets = found.get("effective_policy_definition")
        facts = [f"{one}={value}" for one, value in sorted(sets.items())] if isinstance(sets, dict) else []
        return " sets ".join(filter(None, (names, ", ".join(facts)))) if names else ""

    async def _get(self, *parts: str) -> Json:
        """Return what a path has, None if there is nothing."""
        with recorded_above():
            return await asyncio.to_thread(self._fetch, "/api/" + "/".join(quote(part, safe="") for part in parts))

    def _fetch(self, path: str) -> Json:
        connection = self._connection()
        try:
            connection.request(
                "GET", urlsplit(self._profile.management_url).path.rstrip("/") + path, headers=self._head()
            )
            answer = connection.getresponse()
            body = answer.read(_MOST_BYTES)
        except (OSError, HTTPException) as error:
            raise NoManagementError(f"it does not answer: {reason_of(error)}") from None
        finally:
            connection.close()
        if answer.status == _MISSING:
            return None
        if answer.status != _OK:
            raise NoManagementError(_REFUSED.get(answer.status, f"it answers with status {answer.status}"))
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise NoManagementError("it answers with something else than JSON") from None

    def _connection(self) -> HTTPConnection:
        profile, url = self._profile, urlsplit(self._profile.management_url)
        host = url.hostname or ""
        if url.scheme == "https":
            context = trust(profile.ca_path, 9850)
            if profile.certificate is not None:
                load_certificate(profile.certificate, 9850, context)
            return HTTPSConnection(host, url.port, timeout=_ANSWER_S, context=context)
        if profile.username_secret_id:
            warn_of_cleartext(profile.id, [host])
        return HTTPConnection(host, url.port, timeout=_ANSWER_S)

    def _head(self) -> dict[str, str]:
        profile = self._profile
        user = resolve_secret(profile.username_secret_id) if profile.username_secret_id else "guest"
        password = resolve_secret(profile.password_secret_id) if profile.password_secret_id else "guest"
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Accept": "application/json", "Authorization": f"Basic {login}"}


def _rows(found: Json) -> list[dict[str, Json]]:
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
