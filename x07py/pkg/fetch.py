"""Getting bytes from ``https``, ``http`` on this machine, and ``file`` URLs: bounded in size and time, retried, reused.

`http.client` with one connection a thread and host does all that an index needs; a client library would double the time
that the command takes to start.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from x07py.errors import PackageError
from x07py.pkg.credentials import origin_of, read_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT_S = 10.0
"""Longest wait for a connection or for the next bytes."""
DEADLINE_S = 120.0
"""Longest time for one response."""
ATTEMPTS = 3
_REDIRECTS = 5
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CHUNK = 1 << 16
_TICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: `status` is 200, 304 or 404; `etag` names this content to the server."""

    status: int
    body: bytes
    etag: str | None = None


class _RetryableError(Exception):
    """Something that another attempt may get over."""


class Fetcher:
    """Fetches URLs; safe to use from many threads, each of which keeps its connections."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, deadline_s: float = DEADLINE_S) -> None:
        """Prepare to fetch.

        Args:
            timeout_s: longest wait for a connection or for the next bytes, seconds.
            deadline_s: longest time for one response, seconds.
        """
        self._timeout_s, self._deadline_s = timeout_s, deadline_s
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []
        self._deadlines = _Deadlines()
        self._tokens: Mapping[str, str] | None = None

    def get(self, url: str, *, limit: int, code: str, etag: str | None = None) -> Response:
        """Return what stands at `url`.

        Args:
            url: what to fetch.
            limit: most bytes to accept.
            code: code of the error when it cannot be had.
            etag: content that the caller has; the answer may then be 304.

        Raises:
            PackageError: with `code`; ``X07PKG_INDEX_CONFIG`` for a URL that is never fetched.
        """
        check_url(url)
        if urlsplit(url).scheme == "file":
            return _read_file(url, limit, code)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._follow(url, limit, code, etag)
            except ssl.SSLCertVerificationError as error:
                self._drop(url)
                why = f"its certificate cannot be trusted ({error.verify_message})"
                raise _failed(code, url, why, hint="if you trust its CA, name that in SSL_CERT_FILE") from None
            except ValueError:  # of urllib and http.client, from what a server sends
                self._drop(url)
                raise _failed(code, url, "it leads to something that is not a URL") from None
            except (OSError, http.client.HTTPException, _RetryableError) as error:
                self._drop(url)
                if attempt == ATTEMPTS:
                    raise _failed(code, url, f"{_reason(error)}, {ATTEMPTS} times") from None
                time.sleep(0.1 * 4 ** (attempt - 1))
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close every connection; the next `get` opens new ones."""
        self._deadlines.stop()
        self._local = threading.local()
        while self._open:
            self._open.pop().close()

    def _follow(self, url: str, limit: int, code: str, etag: str | None) -> Response:
        for _ in range(_REDIRECTS):
            status, headers, body = self._once(url, limit, code, etag)
            if status in {301, 302, 303, 307, 308}:
                target = urljoin(url, headers.get("Location", ""))
                check_url(target)
                if urlsplit(target).scheme != urlsplit(url).scheme:
                    raise _failed(code, url, f"it redirects to another scheme, {target}")
                url = target
            elif status in {200, 304, 404}:
                return Response(status, body, headers.get("ETag"))
            elif status == 429 or status >= 500:
                raise _RetryableError(f"the server answers {status}")
            else:
                raise _failed(code, url, f"the server answers {status}", hint=_hint(status))
        raise _failed(code, url, "it redirects in circles")

    def _once(self, url: str, limit: int, code: str, etag: str | None) -> tuple[int, http.client.HTTPMessage, bytes]:
        parts = urlsplit(url)
        headers = {"Accept-Encoding": "identity", "User-Agent": "x07py"}
        if etag is not None:
            headers["If-None-Match"] = etag
        if token := self._token(url):
            headers["Authorization"] = f"Bearer {token}"
        connection = self._connection(url)
        until = time.monotonic() + self._deadline_s
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            with self._deadlines.over(connection, until):  # of the head; byte by byte it may take for ever
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
            late = time.monotonic() >= until
        except (OSError, http.client.HTTPException):
            late = time.monotonic() >= until
            if not late:
                raise
        if late:
            self._drop(url)
            raise _failed(code, url, f"it takes more than {self._deadline_s:g} s")
        if (response.length or 0) > limit:
            self._drop(url)
            raise _failed(code, url, f"it has more than {limit} bytes")
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > limit or time.monotonic() > until:
                self._drop(url)
                over = f"{limit} bytes" if len(body) > limit else f"{self._deadline_s:g} s"
                what = "has" if len(body) > limit else "takes"
                raise _failed(code, url, f"it {what} more than {over}")
        if response.length:
            raise http.client.IncompleteRead(bytes(body), response.length)
        response.close()  # else the connection cannot be used again
        return response.status, response.headers, bytes(body)

    def _token(self, url: str) -> str | None:
        if self._tokens is None:
            self._tokens = read_tokens()
        return self._tokens.get(origin_of(url))

    def _connection(self, url: str) -> http.client.HTTPConnection:
        pool: dict[str, http.client.HTTPConnection] = self._local.__dict__.setdefault("pool", {})
        origin = origin_of(url)
        connection = pool.get(origin)
        if connection is None:
            parts = urlsplit(url)
            if parts.scheme == "https":
                context = ssl.create_default_context()
                connection = http.client.HTTPSConnection(parts.netloc, timeout=self._timeout_s, context=context)
            else:
                connection = http.client.HTTPConnection(parts.netloc, timeout=self._timeout_s)
            pool[origin] = connection
            self._open.append(connection)
        return connection

    def _drop(self, url: str) -> None:
        connection = self._local.__dict__.get("pool", {}).pop(origin_of(url), None)
        if connection is not None:
            connection.close()


class _Deadlines:
    """Cuts connections that are in use beyond their time, from one thread for all of them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._until: dict[http.client.HTTPConnection, float] = {}
        self._stopped: threading.Event | None = None

    @contextmanager
    def over(self, connection: http.client.HTTPConnection, until: float) -> Iterator[None]:
        """Watch `connection` for the block, which ends with an error of the connection soon after `until`."""
        with self._guard:
            self._until[connection] = until
            if self._stopped is None:
                self._stopped = threading.Event()
                threading.Thread(target=self._run, args=(self._stopped,), name="x07-deadlines", daemon=True).start()
        try:
            yield
        finally:
            with self._guard:
                self._until.pop(connection, None)

    def stop(self) -> None:
        """End the thread; the next use starts another."""
        with self._guard:
            if self._stopped is not None:
                self._stopped.set()
                self._stopped = None

    def _run(self, stopped: threading.Event) -> None:
        while not stopped.wait(_TICK_S):
            with self._guard:
                now = time.monotonic()
                late = [connection for connection, until in self._until.items() if until <= now]
                for sock in (connection.sock for connection in late):
                    if sock is not None:
                        with suppress(OSError):
                            sock.shutdown(socket.SHUT_RDWR)


def check_url(url: str) -> None:
    """Refuse a URL that x07 never fetches: another scheme, or plain http to another machine.

    Raises:
        PackageError: ``X07PKG_INDEX_CONFIG``.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _bad_url(url, "it is not a URL") from None
    if parts.scheme == "file" and host in {"", "localhost"}:
        return
    if parts.scheme not in {"https", "http"} or not host:
        raise _bad_url(url, "an index stands at an https:// or file:/// URL")
    if not url.isascii():
        raise _bad_url(ascii(url), "it has other than ASCII characters; write them percent-encoded")
    if parts.username is not None:
        raise _bad_url(origin_of(url), "it carries a user name; store the token with `x07 pkg login`")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise _bad_url(url, "plain http is for this machine only; use https")


def _bad_url(url: str, what: str) -> PackageError:
    return PackageError("X07PKG_INDEX_CONFIG", what, where=url, hint="check index.url in the manifest, or --index")


def _read_file(url: str, limit: int, code: str) -> Response:
    path = Path(unquote(urlsplit(url).path))
    try:
        with path.open("rb") as file:
            body = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Response(404, b"")
    except ValueError:
        raise _failed(code, url, "no file has such a name") from None
    except OSError as error:
        raise _failed(code, url, (error.strerror or str(error)).lower()) from None
    if len(body) > limit:
        raise _failed(code, url, f"it has more than {limit} bytes")
    return Response(200, body)


def _failed(code: str, url: str, what: str, *, hint: str | None = None) -> PackageError:
    return PackageError(
        code, f"cannot fetch: {what}", where=url, hint=hint or "check the URL and the network; --offline uses the cache"
    )


def _hint(status: int) -> str | None:
    return "store a token for this host with `x07 pkg login`" if status in {401, 403} else None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
