"""Which certificate authorities a TLS connection trusts: those of a file that the profile names, else the system's."""

from __future__ import annotations

import ssl

from x07py.errors import ContractError


def trust(ca_path: str | None, code: int) -> ssl.SSLContext:
    """Return a context that verifies certificate and host name.

    Args:
        ca_path: file of authorities in PEM; the system's if None.
        code: of the error, the broker's own.

    Raises:
        ContractError: `code` if the file cannot be read or holds no certificate.
    """
    try:
        return ssl.create_default_context(cafile=ca_path)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ContractError(
            code,
            f"the file of certificate authorities cannot be used: {reason}",
            where=ca_path,
            hint="correct ca_path of the profile; a relative path starts at the project",
        ) from None
