"""ed25519 signatures of index entries: over all of an entry but what may change later (yanked, advisories)."""

from __future__ import annotations

import base64
import binascii
import os
from typing import TYPE_CHECKING, Any

import rfc8785

from x07py.errors import FileError, PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_DOMAIN = b"x07py.index-entry.v1\n"
_UNSIGNED = ("signature", "yanked", "advisories")


def _message(row: Mapping[str, Any]) -> bytes:
    return _DOMAIN + rfc8785.dumps({key: value for key, value in row.items() if key not in _UNSIGNED})


def _library() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise PackageError(
            "X07PKG_SIGNATURE_UNSUPPORTED",
            "checking or making signatures needs the distribution cryptography",
            hint="python -m pip install 'x07py[signing]'",
        ) from None
    return ed25519


def verify_entry(row: Mapping[str, Any], keys: Mapping[str, str], *, where: str) -> str:
    """Check that an index entry is signed by one of `keys`, and return that key, base64.

    Raises:
        PackageError: ``X07PKG_UNSIGNED``, ``X07PKG_SIGNATURE_UNSUPPORTED``, ``X07PKG_SIGNATURE_KEY_MISSING`` or
            ``X07PKG_SIGNATURE_INVALID``.
    """
    ed25519 = _library()
    from cryptography.exceptions import InvalidSignature

    signature = row.get("signature")
    package = row.get("package")
    title = f"{package.get('name')} {package.get('version')}" if isinstance(package, dict) else "an entry"
    if not isinstance(signature, dict):
        raise _refused("X07PKG_UNSIGNED", f"{title} is not signed, and the project names keys", where)
    if signature.get("kind") != "ed25519":
        raise _refused("X07PKG_SIGNATURE_UNSUPPORTED", f"{title} is signed by another method than ed25519", where)
    key = keys.get(str(signature.get("key_id")))
    if key is None:
        raise _refused("X07PKG_SIGNATURE_KEY_MISSING", f"{title} is signed by key {signature.get('key_id')!r}", where)
    try:
        public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
        public.verify(base64.b64decode(str(signature.get("ed25519_sig")), validate=True), _message(row))
    except (InvalidSignature, binascii.Error, ValueError):
        raise _refused("X07PKG_SIGNATURE_INVALID", f"the signature of {title} does not hold", where) from None
    return key


def _refused(code: str, what: str, where: str) -> PackageError:
    return PackageError(
        code, what, where=where, hint="do not install it; ask its publisher, or check index.keys in the manifest"
    )


def sign_entry(row: Mapping[str, Any], key_file: Path) -> dict[str, str]:
    """Return the ``signature`` of an index entry.

    Raises:
        PackageError: ``X07PKG_SIGNATURE_UNSUPPORTED``; ``X07PKG_KEY`` if the file holds no key;
            ``X07PKG_PACK_FAILED`` if the entry has no canonical form.
    """
    key = _private_key(key_file)
    try:
        message = _message(row)
    except ValueError as error:
        raise PackageError(
            "X07PKG_PACK_FAILED",
            f"the package manifest cannot be signed: {error}",
            where=str(key_file),
            hint="write integers above 2**53 as texts, and no NaN",
        ) from None
    return {
        "kind": "ed25519",
        "key_id": key_file.stem,
        "ed25519_sig": base64.b64encode(key.sign(message)).decode(),
    }


def _private_key(path: Path) -> Ed25519PrivateKey:
    ed25519 = _library()
    try:
        key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.from_private_bytes(
            base64.b64decode(path.read_bytes(), validate=False)
        )
    except (OSError, ValueError):
        raise PackageError(
            "X07PKG_KEY", "it holds no key", where=str(path), hint="make one with `x07 pkg keygen FILE`"
        ) from None
    return key


def make_key(path: Path) -> str:
    """Write a new private key, readable by its owner alone, and return the public key, base64.

    Raises:
        PackageError: ``X07PKG_SIGNATURE_UNSUPPORTED``.
        FileError: ``X07IO_WRITE``, also if the file exists.
    """
    key = _library().Ed25519PrivateKey.generate()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(base64.b64encode(key.private_bytes_raw()) + b"\n")
    except OSError as error:
        raise FileError(
            "X07IO_WRITE",
            f"cannot write: {error.strerror}",
            where=str(path),
            hint="name a new file in a folder of yours",
        ) from None
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()
