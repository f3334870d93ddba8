"""Debian packages of another machine type, fetched by apt with settings and folders of its own, and unpacked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OWN_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
RELEASE = "bookworm"
_FOLDERS = ("etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial", "files")


@dataclass(frozen=True, slots=True)
class Archive:
    """Debian 12 and its backports, from the mirror that this machine's own apt uses; apt checks every signature.

    Args:
        folder: where apt keeps what it fetched.
        architecture: what Debian calls the machine type.
    """

    folder: Path
    architecture: str

    def update(self) -> None:
        """Fetch the lists of packages."""
        if not OWN_SOURCES.exists():
            sys.exit(
                f"{OWN_SOURCES} is missing: emulated machines are made on a Debian system, of its mirror's packages"
            )
        for name in _FOLDERS:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state/status").touch()
        own = OWN_SOURCES.read_text(encoding="utf-8")
        mirror, keys = (re.search(rf"^{field}: (\S+)", own, re.MULTILINE) for field in ("URIs", "Signed-By"))
        assert mirror is not None
        assert keys is not None
        lines = [f"deb [signed-by={keys[1]}] {mirror[1]} {suite} main\n" for suite in (RELEASE, f"{RELEASE}-backports")]
        (self.folder / "etc/sources.list").write_text("".join(lines), encoding="utf-8")
        settings = {
            "Dir": str(self.folder),
            "Dir::Etc": "etc",
            "Dir::State": "state",
            "Dir::State::status": str(self.folder / "state/status"),
            "Dir::Cache": "cache",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
        }
        text = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        (self.folder / "apt.conf").write_text(text, encoding="utf-8")
        self._apt("apt-get", "update", "--quiet")

    def closure(self, names: Sequence[str]) -> list[Path]:
        """Fetch packages with all that they depend on; return their files."""
        self._apt("apt-get", "install", "--quiet", "--yes", "--download-only", *names)
        plan = self._apt("apt-get", "install", "--quiet", "--simulate", *names)
        rows = re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", plan, re.MULTILINE)
        files = [f"{name}_{version.replace(':', '%3a')}_{kind}.deb" for name, version, kind in rows]
        return [self.folder / "cache/archives" / file for file in files]

    def kernel(self, *, newest: bool) -> Path:
        """Fetch a kernel for virtual machines, without what it depends on; return its file.

        Args:
            newest: the one of the backports instead of the release's own.
        """
        known = self._apt("apt-cache", "show", f"linux-image-cloud-{self.architecture}")
        rows = [dict(re.findall(r"^(\S+): (.*)$", text, re.MULTILINE)) for text in known.strip().split("\n\n")]
        name = next(row["Depends"].split()[0] for row in rows if ("~bpo" in row["Version"]) == newest)
        files = self.folder / "files"
        if not list(files.glob(f"{name}_*.deb")):
            self._apt("apt-get", "download", "--quiet", name, cwd=files)
        return next(files.glob(f"{name}_*.deb"))

    def _apt(self, *command: str, cwd: Path | None = None) -> str:
        env = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf")}
        done = subprocess.run(command, env=env, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout


def unpack(package: Path, root: Path) -> None:
    """Unpack the files of a package below `root`; a link to a folder stays where the package has the folder itself."""
    tape = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE)
    with tape:
        subprocess.run(
            ["tar", "--extract", "--keep-directory-symlink", "--directory", str(root)], stdin=tape.stdout, check=True
        )
    if tape.returncode:
        raise subprocess.CalledProcessError(tape.returncode, tape.args)
