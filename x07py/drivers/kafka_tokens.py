"""Tokens for OAUTHBEARER that a function of the program gives, and why it gave none."""

from __future__ import annotations

import time
from collections.abc import Callable

Token = Callable[[], tuple[str, float]]
"""Returns a token and when it ends, in seconds since 1970; called in a thread of the client, again before that time."""


class TokenSource:
    """The program's function as librdkafka calls it, which hears of a failure and not of its reason.

    Args:
        token: gives the tokens.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        self.reason: str = "the function was not called"
        self.error: Exception | None = None

    def __call__(self, _: object) -> tuple[str, float]:
        """Return a token, and when it ends; keep the reason if there is none.

        Raises:
            ValueError: what the function gave is no such thing, or is over. Its own errors pass.
        """
        try:
            found = self._token()
        except Exception as error:
            self.error, self.reason = error, f"the function raised {type(error).__name__}"
            raise
        self.reason = _fault(found)
        if self.reason:
            raise ValueError(self.reason)
        return found


def _fault(found: object) -> str:
    match found:
        case (str(), float() | int() as ends):
            late = time.time() - ends
            return f"the token ended {late:.0f} s ago" if late >= 0 else ""
    return f"the function gave {type(found).__name__} instead of a token and the time at which it ends"
