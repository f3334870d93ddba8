"""Makes a system of unpacked packages, this project and what it imports, as one archive that a kernel starts from."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.machines.debian import unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("python3", "coreutils", "dash", "mount", "tzdata", "curl")
DISTRIBUTIONS = ("pytest", "pytest-asyncio", "hypothesis", "requests", "trustme", "cloudevents", "opentelemetry-sdk")
"""What the tests that run there import."""
PYTHON = "3.11"
SITE = Path("usr/local/lib/python3.11/dist-packages")
ATTACKS = Path("usr/local/lib/x07/attacks")
VSOCK = Path("usr/local/lib/x07/vsock.ko")
PROJECT = Path("project")
_COMMAND = "#!/usr/bin/python3\nfrom x07py.cli.start import main\n\nmain()\n"
_FILES = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/shadow": "root:*:20000:0:99999:7:::\n",
    "usr/bin/x07": _COMMAND,
}


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's own file, and the module for one kind of socket that Debian's kernels load on demand."""

    image: Path
    vsock: bytes = field(repr=False)


def kernel(package: Path, folder: Path) -> Kernel:
    """Unpack a kernel's package into `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unpack(package, folder)
    (module,) = folder.glob("**/net/vmw_vsock/vsock.ko*")
    data = module.read_bytes()
    return Kernel(next(folder.glob("boot/vmlinuz-*")), lzma.decompress(data) if module.suffix == ".xz" else data)


def system(root: Path, packages: Sequence[Path], machine: str) -> None:
    """Make a folder that holds a system with this project and its tests.

    Args:
        root: the folder, which is made anew.
        packages: files of Debian packages.
        machine: the machine type, as the kernel names it.
    """
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "var/tmp", str(ATTACKS.parent)):
        (root / name).mkdir(parents=True, exist_ok=True)
    for package in packages:
        unpack(package, root)
    for name, text in _FILES.items():
        (root / name).write_text(text, encoding="ascii")
    (root / "root").chmod(0o700)
    (root / "etc/shadow").chmod(0o600)
    (root / "usr/bin/x07").chmod(0o755)
    _install(root, machine)
    _copy_project(root)
    _build_attacks(root / ATTACKS, machine)
    if sys.version_info[:2] == tuple(map(int, PYTHON.split("."))):  # else they compile what they import, at each start
        folders = (root / "usr/lib/python3.11", root / SITE, root / PROJECT)
        command = [sys.executable, "-m", "compileall", "-q", "-s", str(root), "-p", "/", *map(str, folders)]
        subprocess.run(
            command, check=False, stdout=subprocess.DEVNULL
        )  # Debian ships a file of bad syntax for its tests


def _install(root: Path, machine: str) -> None:
    target = ("--target", str(root / SITE), "--python-version", PYTHON, "--implementation", "cp", "--no-compile")
    platforms = [word for tag in ("manylinux2014", "manylinux_2_28") for word in ("--platform", f"{tag}_{machine}")]
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:")
    subprocess.run([*pip, *target, *platforms, ".[kafka,amqp]", *DISTRIBUTIONS], cwd=REPOSITORY, check=True)


def _copy_project(root: Path) -> None:
    """Copy what the tests need but x07py itself, which is installed."""
    wanted = ("tests", "bench", "docs", "schemas", "arch", "pyproject.toml")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *wanted],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        target = root / PROJECT / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, target)
    shutil.copy2(Path(__file__).with_name("guest.py"), root / "init")
    (root / "init").chmod(0o755)


def _build_attacks(program: Path, machine: str) -> None:
    sources = [str(REPOSITORY / "tests/sandbox" / name) for name in ("attacks.c", "races.c")]
    subprocess.run([f"{machine}-linux-gnu-gcc", "-O1", "-o", str(program), *sources, "-pthread"], check=True)


def pack(root: Path, archive: Path) -> None:
    """Pack a folder into the format that the kernel unpacks at its start; everything belongs to root there."""
    names = subprocess.run(["find", ".", "-print0"], cwd=root, check=True, stdout=subprocess.PIPE).stdout
    with archive.open("wb") as out:
        command = ["cpio", "--create", "--quiet", "--null", "--format=newc", "--owner=0:0"]
        subprocess.run(command, cwd=root, input=names, stdout=out, check=True)
