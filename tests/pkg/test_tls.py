"""An index over TLS, with a certificate authority of the test."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.pkg.builders import Packages, pkg
from tests.pkg.server import IndexServer, serving
from x07py.contracts.lockfile import LOCK_NAME


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    authority = trustme.CA()
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return authority, file


@pytest.fixture
def secure(packages: Packages, ca: tuple[trustme.CA, Path]) -> Iterator[IndexServer]:
    packages.publish("greet", "1.0.0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca[0].issue_cert("127.0.0.1").configure_cert(context)
    with serving(packages.index, context) as server:
        yield server


def test_a_trusted_index_is_used(
    empty: Path, secure: IndexServer, ca: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca[1]))
    assert secure.url.startswith("https://")
    pkg(empty, "add", "greet", "--index", secure.url, "--sync")
    assert f"index+{secure.url}" in (empty / LOCK_NAME).read_text(encoding="utf-8")
    assert (empty / ".x07/deps/greet/1.0.0/modules/greet.py").is_file()


def test_an_untrusted_index_is_refused_at_once(empty: Path, secure: IndexServer) -> None:
    failed = pkg(empty, "add", "greet", "--index", secure.url, code=20).stderr
    assert "X07PKG_INDEX_FETCH" in failed
    assert "its certificate cannot be trusted" in failed
    assert "SSL_CERT_FILE" in failed
    assert secure.asked == []


def test_a_certificate_for_another_host_is_refused(
    empty: Path, packages: Packages, ca: tuple[trustme.CA, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca[1]))
    packages.publish("greet", "1.0.0")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca[0].issue_cert("packages.invalid").configure_cert(context)
    with serving(packages.index, context) as server:
        assert "certificate is not valid for '127.0.0.1'" in pkg(
            empty, "add", "greet", "--index", server.url, code=20
        ).stderr.replace("\n", " ")
        assert server.asked == []
