"""The sparse index: one small file a package, listing each version with its whole manifest.

So the resolver never needs an archive. Pages are asked for with their ETag and kept, so that they also serve offline.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from x07py.contracts.loader import parse_json
from x07py.contracts.lockfile import is_inside
from x07py.contracts.project import NAME
from x07py.errors import PackageError
from x07py.pkg.archive import MAX_ARCHIVE
from x07py.pkg.cache import Cache, not_cached
from x07py.pkg.entry import Entry, read_entry
from x07py.pkg.fetch import Fetcher, check_url
from x07py.pkg.layout import ENTRY_SCHEMA, page_path
from x07py.pkg.local import toolchain_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from x07py.contracts.lockfile import LockedPackage

MAX_PAGE = 8 * 1024 * 1024
"""Most bytes of one index page."""
_THREADS = 16


class SparseIndex:
    """An index at a URL."""

    def __init__(
        self,
        url: str,
        *,
        keys: dict[str, str] | None = None,
        offline: bool = False,
        cache: Cache | None = None,
        fetcher: Fetcher | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Point at an index; nothing is fetched yet.

        Args:
            url: its URL; ``sparse+`` before it and a missing ``/`` at its end do not matter.
            keys: ed25519 keys by id, base64; if there is one, every entry must be signed by one.
            offline: answer from the cache, and from ``file`` URLs.
            cache: where pages and archives are kept.
            fetcher: how bytes are got.
            progress: told how many pages have been fetched and how many are known to be needed.

        Raises:
            PackageError: ``X07PKG_INDEX_CONFIG`` for a URL that x07 never fetches.
        """
        plain = url.removeprefix("sparse+")
        self.url = plain if plain.endswith("/") else f"{plain}/"
        check_url(self.url)
        self.source = f"index+{url}"
        self._keys, self._progress = keys or {}, progress
        self._offline = offline and urlsplit(self.url).scheme != "file"
        self._cache, self._fetcher = cache or Cache(), fetcher or Fetcher()
        self._pages: dict[str, list[Entry]] = {}
        self._config: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._fetcher.close()
        self._cache.close()

    def entries(self, name: str) -> Sequence[Entry]:
        """Return every version that the index lists, none if it does not know the name.

        Raises:
            PackageError: ``X07PKG_INDEX_FETCH`` if the page cannot be had, ``X07PKG_INDEX_PARSE`` if it is not a page;
                ``X07PKG_OFFLINE_MISSING_DEP``; ``X07PKG_UNSIGNED``, ``X07PKG_SIGNATURE_KEY_MISSING`` or
                ``X07PKG_SIGNATURE_INVALID`` where keys are configured.
        """
        found = self._pages.get(name)
        if found is None:
            found = self._pages[name] = self._read_page(name)
        return found

    def _read_page(self, name: str) -> list[Entry]:
        url = self.url + page_path(name)
        body = self._page(url)
        if body is None:
            return []
        entries = [self._entry(line, name, url) for line in body.splitlines() if line.strip()]
        if len({entry.version.key for entry in entries}) != len(entries):
            raise _bad_page(url, "a version stands twice, or with other build metadata alone")
        return entries

    def _entry(self, line: bytes, name: str, url: str) -> Entry:
        try:
            row = parse_json(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise _bad_page(url, f"a line is not JSON: {error}") from None
        checks = (
            isinstance(row, dict) and row.get("schema_version") == ENTRY_SCHEMA,
            isinstance(row, dict) and isinstance(row.get("cksum"), str) and _is_sha256(row["cksum"]),
            isinstance(row, dict) and isinstance(row.get("yanked", False), bool),
            isinstance(row, dict) and _are_files(row.get("files")),
            isinstance(row, dict) and _are_advisories(row.get("advisories", [])),
        )
        if not all(checks):
            raise _bad_page(url, f"a line is not an entry of schema {ENTRY_SCHEMA}")
        signed_by = None
        if self._keys:
            from x07py.pkg.signing import verify_entry

            signed_by = verify_entry(row, self._keys, where=url)
        entry = read_entry(
            row.get("package"),
            where=url,
            source=self.source,
            files=row["files"],
            archive_sha256=row["cksum"],
            yanked=row.get("yanked", False),
            advisories=tuple(item for item in row.get("advisories", []) if not item.get("withdrawn_at_utc")),
        )
        if entry.name != name:
            raise _bad_page(url, f"an entry is of package {entry.name}")
        return replace(entry, signed_by=signed_by) if signed_by is not None else entry

    def _page(self, url: str) -> bytes | None:
        """Return a page, from the server or, if that says it is unchanged or may not be asked, from the cache."""
        if urlsplit(url).scheme == "file":
            response = self._fetcher.get(url, limit=MAX_PAGE, code="X07PKG_INDEX_FETCH")
            return response.body if response.status == 200 else None
        cached = self._cache.page(url)
        if self._offline:
            if cached is None:
                raise not_cached(url)
            return cached[1]
        response = self._fetcher.get(url, limit=MAX_PAGE, code="X07PKG_INDEX_FETCH", etag=cached[0] if cached else None)
        if response.status == 304 and cached:
            return cached[1]
        if response.status != 200:
            return None
        self._cache.keep_page(url, response.etag, response.body)
        return response.body

    def names(self) -> Sequence[str]:
        """Return the names of all packages, sorted, as far as the index tells; none if it cannot be asked."""
        url = self.url + "names.json"
        try:
            rows = parse_json(self._page(url) or b"[]")
        except (PackageError, ValueError, RecursionError):
            return []
        return (
            sorted(row for row in rows if isinstance(row, str) and NAME.fullmatch(row))
            if isinstance(rows, list)
            else []
        )

    def config(self) -> dict[str, Any]:
        """Return the index's ``config.json``.

        Raises:
            PackageError: ``X07PKG_INDEX_CONFIG`` if it is missing or not an object; as `entries`.
        """
        if self._config is None:
            url = self.url + "config.json"
            try:
                document = parse_json(self._page(url) or b"")
            except (ValueError, RecursionError):
                document = None
            if not isinstance(document, dict) or not isinstance(document.get("dl", ""), str):
                raise PackageError(
                    "X07PKG_INDEX_CONFIG",
                    "there is no index: config.json is missing or broken",
                    where=url,
                    hint="check index.url in the manifest, or --index",
                )
            self._config = document
        return self._config

    def archive(self, package: LockedPackage) -> bytes:
        """Return the archive of a locked package, from the cache or the index.

        Raises:
            PackageError: ``X07PKG_DOWNLOAD_FAILED`` if it cannot be had or has another digest than the lock says;
                ``X07PKG_OFFLINE_MISSING_DEP``. Nothing that was good is touched.
        """
        wanted = package.archive_sha256 or ""
        cached = self._cache.archive(wanted)
        if cached is not None:
            return cached
        title = f"{package.name} {package.version}"
        if self._offline:
            raise not_cached(title)
        try:
            base = urljoin(self.url, self.config().get("dl") or "dl/")
        except ValueError:
            raise _bad_archive(self.url + "config.json", "dl is not a URL") from None
        url = f"{base.removesuffix('/')}/{package.name}/{package.version}/download"
        response = self._fetcher.get(url, limit=MAX_ARCHIVE, code="X07PKG_DOWNLOAD_FAILED")
        if response.status != 200:
            raise _bad_archive(url, f"the index has no archive of {title}")
        digest = hashlib.sha256(response.body).hexdigest()
        if digest != wanted:
            raise _bad_archive(url, f"the archive of {title} has digest {digest[:16]}…, the lock says {wanted[:16]}…")
        self._cache.keep_archive(wanted, response.body)
        return response.body

    def prefetch(self, names: Iterable[str]) -> None:
        """Fetch the pages of `names` and of what their newest versions need, side by side.

        Errors are left for the resolver, which asks again for the pages that it really needs.
        """
        seen: set[str] = set()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="x07-index") as pool:
            pending: dict[Future[Sequence[Entry]], str] = {}

            def want(more: Iterable[str]) -> None:
                for name in more:
                    if name not in seen and name not in toolchain_packages():
                        seen.add(name)
                        pending[pool.submit(self.entries, name)] = name

            want(names)
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    del pending[future]
                    entries = [] if future.exception() else [entry for entry in future.result() if not entry.yanked]
                    if entries:
                        want(max(entries, key=lambda entry: entry.version).requires)
                if self._progress is not None:
                    self._progress(len(seen) - len(pending), len(seen))


def _is_sha256(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _are_files(files: Any) -> bool:
    if not isinstance(files, dict) or not all(isinstance(value, str) and _is_sha256(value) for value in files.values()):
        return False
    return all(is_inside(path) for path in files)


def _are_advisories(rows: Any) -> bool:
    return isinstance(rows, list) and all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows)


def _bad_page(url: str, what: str) -> PackageError:
    return PackageError(
        "X07PKG_INDEX_PARSE", f"the index page cannot be used: {what}", where=url, hint="tell who runs the index"
    )


def _bad_archive(url: str, what: str) -> PackageError:
    return PackageError(
        "X07PKG_DOWNLOAD_FAILED", what, where=url, hint="nothing was installed; tell who runs the index if it lasts"
    )
