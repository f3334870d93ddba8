"""The ``x07 pkg`` commands of those who publish: pack, publish, yank, keygen; and login."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from x07py.cli.output import Format, console
from x07py.cli.pkg_common import FormatOption, app, print_report
from x07py.errors import FileError, PackageError
from x07py.pkg.credentials import store_token
from x07py.pkg.intent import parse_spec
from x07py.pkg.layout import page_path
from x07py.pkg.publish import pack_folder
from x07py.pkg.publish import publish as publish_folder
from x07py.pkg.publish import yank as yank_version

FolderOption = Annotated[Path, typer.Option("--package", help="The folder of x07-package.json.")]
ToOption = Annotated[Path, typer.Option("--to", help="The folder of the index.", show_default=False)]


@app.command()
def pack(
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the archive here.", show_default=False)],
    package: FolderOption = Path(),
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Pack a package; the same content gives the same bytes.

    Example: x07 pkg pack --package greet -o greet.x07pkg
    """
    _, data = pack_folder(package)
    try:
        output.write_bytes(data)
    except OSError as error:
        raise FileError(
            "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(output), hint="name a file that can be written"
        ) from None
    digest = hashlib.sha256(data).hexdigest()
    if format is Format.json:
        print_report("pack", {"package_dir": str(package), "out": str(output), "sha256": digest, "bytes": len(data)})
    else:
        console().print(f"{len(data)} bytes to {output}\nsha256 {digest}")


@app.command()
def publish(
    to: ToOption,
    package: FolderOption = Path(),
    key: Annotated[Path | None, typer.Option("--key", help="Sign with this key; its file name is its id.")] = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Publish a package into a folder, which any static web server can serve as an index.

    Example: x07 pkg publish --package greet --to ../index
    """
    row = publish_folder(package, to, key)
    name, version = row["package"]["name"], row["package"]["version"]
    if format is Format.json:
        facts = {"name": name, "version": version, "cksum": row["cksum"], "index_path": page_path(name)}
        print_report("publish", {"index": str(to), "package_dir": str(package), **facts, "signed": "signature" in row})
    else:
        signed = "signed" if "signature" in row else "not signed"
        console().print(f"{name} {version} is in {to} ({signed})\nadd it with: x07 pkg add {name} --index {_url(to)}")


def _url(folder: Path) -> str:
    return folder.resolve().as_uri() + "/"


@app.command()
def yank(
    spec: Annotated[str, typer.Argument(metavar="NAME@VERSION", help="What to withdraw.")],
    to: ToOption,
    undo: Annotated[bool, typer.Option("--undo", help="Offer it again.")] = False,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Withdraw a published version: nobody gets it who does not have it already.

    Example: x07 pkg yank greet@1.0.0 --to ../index
    """
    name, version = parse_spec(spec)
    if version is None:
        raise PackageError("X07PKG_SPEC_INVALID", f"{spec!r} names no version", hint="give NAME@VERSION")
    yank_version(to, name, version, undo=undo)
    if format is Format.json:
        print_report("yank", {"index": str(to), "name": name, "version": version, "yanked": not undo})
    else:
        console().print(f"{name} {version} is {'offered again' if undo else 'withdrawn'}")


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; its name without ending is the key's id.")],
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Make an ed25519 key to sign packages with, and print what users put in their manifest.

    Example: x07 pkg keygen acme.key
    """
    from x07py.pkg.signing import make_key

    public = make_key(file)
    if format is Format.json:
        print_report("keygen", {"key_id": file.stem, "private_key": str(file), "public_key": public})
    else:
        console().print(f'[tool.x07.index.keys]\n{file.stem} = "{public}"')


@app.command()
def login(
    index: Annotated[str, typer.Option("--index", metavar="URL", help="The index.", show_default=False)],
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Store the token of an index, read from standard input or asked for; it is sent to that host alone.

    Example: x07 pkg login --index https://packages.example/index/ < token
    """
    from x07py.pkg.fetch import check_url

    url = index.removeprefix("sparse+")
    check_url(url)
    token = typer.prompt("token", hide_input=True) if sys.stdin.isatty() else sys.stdin.read().strip()
    path = store_token(url, token)
    if format is Format.json:
        print_report("login", {"index": url, "credentials_path": str(path)})
    else:
        console().print(f"the token of {index} is in {path}")
