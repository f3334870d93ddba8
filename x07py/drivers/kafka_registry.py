"""The schema registry beside a Kafka profile, by the client of confluent-kafka.

Three operations reach it: ``schema_ids``, what ids the registry has for schemas of this project, ``schema``, what an
id stands for, and ``subject``, what versions there are. They are operations of the driver, so a recording holds them
and a replay answers them.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NoReturn

from x07py.drivers.secrets import resolve_secret, warn_of_cleartext
from x07py.drivers.trust import load_certificate, trust
from x07py.errors import (
    LoginRefusedError,
    NotFoundError,
    NotInstalledError,
    SchemaRefusedError,
    UnreachableError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from x07py.drivers.base import Json
    from x07py.drivers.kafka_contract import KafkaProfile

_MOST_REFERENCES = 100
_MOST_VERSIONS = 100
_USUAL_LEVEL = "BACKWARD"
_TIMEOUT_S = 10.0
_RETRIES = 2
_FORBIDDEN = {401, 403}
_NOT_FOUND = 404
_OVERLOADED = 429
_SERVER_ERRORS = 500


class SchemaRegistry:
    """The registry of one profile; connects when it is first asked.

    Args:
        profile: the broker profile.
    """

    def __init__(self, profile: KafkaProfile) -> None:
        self._profile = profile
        self._where = f"profile {profile.id!r}, {', '.join(profile.registry_urls)}"
        self._client: Any = None

    def schema_ids(self, request: Json) -> Json:
        """Return the number of each schema, and its GUID if the registry has such; new ones are registered if the
        request says so.

        Raises:
            NotFoundError: 9766 for a schema that the registry does not have.
            SchemaRefusedError: 9769 for one that it does not take.
            DriverError: as `_ask`.
        """
        library = self._library()
        found = []
        for asked in request["schemas"]:
            references = [library.SchemaReference(*one) for one in asked["references"]]
            schema = library.Schema(asked["schema"], asked["type"], references)
            call = self._client.register_schema_full_response if request["register"] else self._client.lookup_schema
            what = f"version {asked['version']} of {asked['subject']!r}"
            found.append(self._ask(what, call, asked["subject"], schema))
        return {"ids": [one.schema_id for one in found], "guids": [one.guid for one in found]}

    def schema(self, request: Json) -> Json:
        """Return what an id or a GUID stands for, with what that refers to, 100 schemas at most.

        Raises:
            SchemaRefusedError: 9769 for more, as when schemas refer to each other in a circle.
            DriverError: as `schema_ids`.
        """
        self._library()
        if "guid" in request:
            what = f"the schema of GUID {request['guid']}"
            found = self._ask(what, self._client.get_schema_by_guid, request["guid"], "serialized")
        else:
            what = f"the schema of id {request['id']}"
            found = self._ask(what, self._client.get_schema, request["id"], None, "serialized")
        answers: dict[tuple[str, int], Any] = {}
        places = count()

        def asked(one: Any) -> Any:
            place = (one.subject, one.version)
            if place not in answers:
                what = f"version {one.version} of {one.subject!r}"
                answers[place] = self._ask(what, self._client.get_version, *place, False, "serialized").schema
            return answers[place]

        def whole(schema: Any) -> Json:
            if next(places) > _MOST_REFERENCES:
                message = f"{what} refers to more than {_MOST_REFERENCES} schemas, or to itself"
                hint = "look at its references in the registry"
                raise SchemaRefusedError(9769, message, where=self._where, hint=hint)
            references = [{"name": one.name, **whole(asked(one))} for one in schema.references or ()]
            return {"type": schema.schema_type or "AVRO", "schema": schema.schema_str, "references": references}

        return whole(found)

    def subject(self, request: Json) -> Json:
        """Return the versions of a subject, the newest 100, and what they are held to.

        Raises:
            NotFoundError: 9766 for a subject that the registry does not have.
            DriverError: as `_ask`.
        """
        self._library()
        name = request["subject"]
        what = f"the subject {name!r}"
        numbers = sorted(self._ask(what, self._client.get_versions, name))[-_MOST_VERSIONS:]
        versions = []
        for number in numbers:
            found = self._ask(what, self._client.get_version, name, number, False, "serialized").schema
            references = [[one.name, one.subject, one.version] for one in found.references or ()]
            kind, text = found.schema_type or "AVRO", found.schema_str
            versions.append({"version": number, "type": kind, "schema": text, "references": references})
        return {"compatibility": self._level(name), "versions": versions}

    def _level(self, name: str) -> str:
        """Return what a subject is held to: by itself, with all others, or by the interface's own rule."""
        for place in (name, None):
            try:
                found: str = self._ask("a level", self._client.get_compatibility, place)
                return found
            except NotFoundError:
                continue
        return _USUAL_LEVEL

    def _library(self) -> ModuleType:
        """Import and connect the client.

        Raises:
            UnsupportedError: 9622 if the profile names no registry.
            NotInstalledError: 9635.
        """
        if not self._profile.registry_urls:
            hint = "name its urls in `schema_registry` of the profile"
            raise UnsupportedError(9622, f"profile {self._profile.id!r} has no schema registry", hint=hint)
        try:
            from confluent_kafka import schema_registry
        except ImportError as error:
            message = f"a schema registry needs {error.name}, which is not installed"
            raise NotInstalledError(9635, message, hint="pip install 'x07py[registry]'") from None
        if self._client is None:
            self._client = schema_registry.SchemaRegistryClient(self._settings())
        library: ModuleType = schema_registry
        return library

    def _settings(self) -> dict[str, Any]:
        profile = self._profile
        settings: dict[str, Any] = {
            "url": ",".join(profile.registry_urls),
            "timeout": _TIMEOUT_S,
            "max.retries": _RETRIES,
        }
        if profile.registry_username_secret_id:
            user, word = profile.registry_username_secret_id, profile.registry_password_secret_id
            settings["basic.auth.user.info"] = f"{resolve_secret(user)}:{resolve_secret(word)}"
            plain = [url.partition("://")[2] for url in profile.registry_urls if url.startswith("http:")]
            if plain:
                warn_of_cleartext(profile.id, [one.partition("/")[0] for one in plain])
        if profile.ca_path and any(url.startswith("https:") for url in profile.registry_urls):
            trust(profile.ca_path, 9750)
            settings["ssl.ca.location"] = profile.ca_path
        if profile.certificate is not None:
            load_certificate(profile.certificate, 9750)
            settings["ssl.certificate.location"] = profile.certificate.certificate_path
            settings["ssl.key.location"] = profile.certificate.key_path
            if profile.certificate.key_password_secret_id:
                settings["ssl.key.password"] = resolve_secret(profile.certificate.key_password_secret_id)
        return settings

    def _ask(self, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Ask, and say what went wrong in words of the driver.

        Raises:
            DriverError: 9766 to 9769.
        """
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            return call(*arguments)
        except SchemaRegistryError as error:
            self._refused(what, error)
        except Exception as error:  # noqa: BLE001 (which library of HTTP the client has depends on its version)
            reason = f"{type(error).__name__}: {error}"
            hint = "is it up, and are the urls of the profile right?"
            raise UnreachableError(
                9767, f"no schema registry answers: {reason}", where=self._where, hint=hint
            ) from None

    def _refused(self, what: str, error: Any) -> NoReturn:
        status, reason = error.http_status_code, error.error_message
        if status in _FORBIDDEN:
            hint = "check the secrets that `schema_registry` of the profile names, and what this user may do"
            message = f"the schema registry refuses the user: {status} {reason or ''}".rstrip()
            raise LoginRefusedError(9768, message, where=self._where, hint=hint) from None
        if status == _NOT_FOUND:
            message = f"the schema registry does not have {what}: {reason}"
            hint = "register it where schemas are deployed, or by open_subjects(..., register=True)"
            raise NotFoundError(9766, message, where=self._where, hint=hint) from None
        if status == _OVERLOADED or status >= _SERVER_ERRORS:
            message = f"the schema registry does not answer now: {status} {reason}"
            raise UnreachableError(9767, message, where=self._where, hint="try again") from None
        message = f"the schema registry refuses {what}: {reason}"
        hint = "compare the subject's compatibility there with that in arch/msg/schemas"
        raise SchemaRefusedError(9769, message, where=self._where, hint=hint) from None

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.__exit__(None, None, None)
            self._client = None
