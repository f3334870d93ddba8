"""Passwords and keys in the text of a module: strings and comments alike, since both are in the repository."""

from __future__ import annotations

import re

_SECRETS = {
    "://": re.compile(r"""://[^/\s:@,'"`]+:(?P<value>[^/\s@,'"`]+)@(?P<host>\[[^\]\s]*\]|[^/\s:'"`?]*)"""),
    "password": re.compile(
        r"""(?:["'](?:sasl\.password|ssl\.key\.password)["']\s*[:,]|\bsasl_plain_password\s*=)\s*["'](?P<value>[^"']+)["']"""
    ),
    "PRIVATE KEY": re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:\s|\\n)*(?P<value>[A-Za-z0-9+/]{16})"),
}
"""By a word that is looked for first, since most modules have none of them."""
_PLACEHOLDER = re.compile(
    r"[{}<>$*]|%[s(]|secret|password|^\.+$|^x+$|^(?:pass(?:wd)?|pwd?|guest|token)$", re.IGNORECASE
)
_HERE = re.compile(r"^(?:localhost|127\.\S*|\[::1\]|(?:.*\.)?example(?:\.\w+)?|.*\.(?:test|invalid|localhost))$")


def secret_offsets(text: str) -> tuple[int, ...]:
    """Return where a module's text holds a password in a URL or in a client's settings, or a private key.

    What stands for a password (``{user}``, ``***``, ``a-secret``, ``guest``) is none, nor is a password for a host
    that names no machine of anybody's: loopback, and the names that RFC 2606 and RFC 6761 set apart.
    """
    found = [
        match.start()
        for word, pattern in _SECRETS.items()
        if word in text
        for match in pattern.finditer(text)
        if not _PLACEHOLDER.search(match["value"]) and not _HERE.match(match.groupdict().get("host", "?"))
    ]
    return tuple(sorted(found))
