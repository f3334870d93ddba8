"""Which certificate authorities a TLS connection trusts: those of a file that the profile names, else the system's;
and which certificate it shows."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.drivers.secrets import resolve_secret
from x07py.errors import ContractError
from x07py.files import open_file

if TYPE_CHECKING:
    from x07py.contracts.profiles import ClientCertificate


def trust(ca_path: str | None, code: int) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    Args:
        ca_path: file of authorities in PEM; the system's if None.
        code: of the error, the broker's own.

    Raises:
        ContractError: `code` if the file cannot be read or holds no certificate.
    """
    try:
        if ca_path is not None:
            open_file(Path(ca_path)).close()  # OpenSSL would wait for a pipe
        return ssl.create_default_context(cafile=ca_path)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ContractError(
            code,
            f"the file of certificate authorities cannot be used: {reason}",
            where=ca_path,
            hint="correct ca_path of the profile; a relative path starts at the project",
        ) from None


def load_certificate(certificate: ClientCertificate, code: int, context: ssl.SSLContext | None = None) -> None:
    """Load a client's certificate and key into a context, or into one of its own to see whether they can be used.

    Raises:
        ContractError: `code` if the files cannot be read, or do not fit each other.
        DriverError: 9631 for a secret that is not there.
    """
    name = certificate.key_password_secret_id
    password = resolve_secret(name) if name else ""
    try:
        for path in filter(None, (certificate.certificate_path, certificate.key_path)):
            open_file(Path(path)).close()
        target = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        target.load_cert_chain(certificate.certificate_path, certificate.key_path, lambda: password)
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise ContractError(
            code,
            f"the client's certificate cannot be used: {reason or 'is the secret of the key right?'}",
            where=f"{certificate.certificate_path}, {certificate.key_path}",
            hint="correct certificate_path, key_path and key_password_secret_id; a relative path starts at the project",
        ) from None
