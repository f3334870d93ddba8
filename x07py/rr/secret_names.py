"""Which names say that a secret stands behind them: of headers, properties, fields of JSON, arguments, settings."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
LAST_WORDS = frozenset(
    {
        "apikey",
        "authentication",
        "authorization",
        "bearer",
        "cookie",
        "cookies",
        "credential",
        "credentials",
        "jwt",
        "passcode",
        "passphrase",
        "passwd",
        "password",
        "passwords",
        "pwd",
        "secret",
        "secrets",
        "sessionid",
        "token",
        "tokens",
    }
)
"""A name that ends with one of these words is hidden: ``sasl.password``, ``X-Auth-Token``, ``idToken``."""
LAST_PAIRS = frozenset(
    {
        ("access", "key"),
        ("account", "key"),
        ("api", "key"),
        ("auth", "key"),
        ("encryption", "key"),
        ("jaas", "config"),
        ("key", "pem"),
        ("private", "key"),
        ("secret", "key"),
        ("session", "id"),
        ("shared", "key"),
        ("signing", "key"),
        ("user", "info"),
    }
)
"""A name that ends with one of these pairs is hidden: ``x-api-key``, ``secret_access_key``, ``sasl.jaas.config``."""
_MORE = frozenset({"b", "base", "header", "plain", "plaintext", "raw", "string", "v", "value"})
"""Words behind the one that counts: ``tokenValue``, ``authorization_header``, ``password_v2``."""
_PLACES_IN_LISTS = frozenset({("page", "token"), ("continuation", "token"), ("max", "tokens"), ("total", "tokens")})


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Tell whether the last words of a name, however they are joined, say that its value is a secret.

    ``page_token``, ``continuationToken``, ``max_tokens`` and ``total_tokens`` are places in lists and numbers.
    """
    words = [word.lower() for word in _WORD.findall(name[-128:])]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _MORE):
        words.pop()
    pair = tuple(words[-2:])
    if not words or pair in _PLACES_IN_LISTS:
        return False
    return words[-1] in LAST_WORDS or pair in LAST_PAIRS
