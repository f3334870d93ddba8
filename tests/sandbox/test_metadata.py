"""Modes and times change below granted folders, and nowhere else, however the file is named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import Ground, drive

PYTHON = "/usr/bin/python3"
SPACES = pytest.mark.parametrize("namespaces", [True, False], ids=["namespaces", "plain"])

WORKS = """
import os, shutil, sys, time
os.chdir(sys.argv[1])
open("a", "w").write("text")
os.chmod("a", 0o640)
shutil.copy("a", "b")
shutil.copy2("a", "c")
shutil.copytree(".", "tree", ignore=lambda *_: ["tree"])
folder = os.open(".", os.O_RDONLY)
os.chmod("b", 0o600, dir_fd=folder)
os.utime("b", (1, 2), dir_fd=folder)
with open("c") as file:
    os.fchmod(file.fileno(), 0o604)
    os.utime(file.fileno(), ns=(3, 4_000_000_005))
os.utime("a")
os.symlink("a", "link")
os.utime("link", (7, 8), follow_symlinks=False)
show = lambda name: (oct(os.stat(name).st_mode & 0o7777), os.stat(name).st_mtime_ns)
assert show("b") == ("0o600", 2_000_000_000), show("b")
assert show("c") == ("0o604", 4_000_000_005), show("c")
assert os.lstat("link").st_mtime == 8 and abs(os.stat("a").st_mtime - time.time()) < 60
assert show("tree/a")[0] == "0o640"
print("done")
"""

ATTACKS = """
import ctypes, os, sys, threading, time
inside, outside = sys.argv[1:3]
victim = outside + "/victim"
os.chdir(inside)
os.symlink(victim, "link")
os.symlink(outside, "way")
open("own", "w").close()
readable = os.open(victim, os.O_RDONLY)
place = os.open(outside, os.O_PATH)
libc = ctypes.CDLL(None, use_errno=True)
ways = {
    "absolute": victim, "dots": "../" + os.path.basename(outside) + "/victim", "link": "link",
    "folder link": "way/victim",
    "descriptor": readable, "descriptor's name": f"/proc/self/fd/{readable}", "root link": "/proc/self/root" + victim,
    "working folder link": "/proc/self/cwd/link", "folder": outside,
}
got = []
def attempt(name, call):
    try:
        call()
    except OSError:
        return
    got.append(name)
for name, where in ways.items():
    attempt("chmod " + name, lambda: os.chmod(where, 0o601))
    attempt("utime " + name, lambda: os.utime(where, (1, 1)))
attempt("at", lambda: os.chmod("victim", 0o601, dir_fd=place))
attempt("set-user-id", lambda: os.chmod("own", 0o4755))
attempt("set-group-id", lambda: os.chmod("own", 0o2755))
attempt("chown", lambda: os.chown("own", 1, 1))
for number in (90, 132, 235, 268, 280):
    for address in (0, 16, -4096 & (1 << 64) - 1):
        libc.syscall(number, ctypes.c_ulong(address), ctypes.c_ulong(address), ctypes.c_ulong(0o601), 0)
def linked(make, name):
    make(victim, name)
    open(name, "a").close()
attempt("hard link", lambda: linked(os.link, "hard"))
attempt("rename", lambda: linked(os.rename, "moved"))
if os.path.exists("moved"): os.rename("moved", victim)
stop = time.monotonic() + 1
def swap():
    while time.monotonic() < stop:
        os.symlink("own", "new"); os.rename("new", "swapped")
        os.symlink(victim, "new"); os.rename("new", "swapped")
threading.Thread(target=swap).start()
while time.monotonic() < stop:
    attempt("", lambda: os.chmod("swapped", 0o601))
print([name for name in got if name])
"""


@SPACES
def test_copies_keep_modes_and_times(ground: tuple[int | None, Ground], namespaces: bool) -> None:
    uid, place = ground
    outcome, text = drive(
        argv=[PYTHON, "-c", WORKS, str(place.inside)], uid=uid, namespaces=namespaces, write=[str(place.inside)]
    )
    assert text == "done\n", outcome


@SPACES
def test_nothing_outside_changes(ground: tuple[int | None, Ground], namespaces: bool) -> None:
    uid, place = ground
    before = place.state()
    outcome, text = drive(
        argv=[PYTHON, "-c", ATTACKS, str(place.inside), str(place.outside)],
        uid=uid,
        namespaces=namespaces,
        write=[str(place.inside)],
        read=[str(place.outside)],
    )
    assert text == "[]\n", outcome
    assert place.state() == before


def test_a_granted_folder_replaced_by_a_link_grants_nothing(ground: tuple[int | None, Ground]) -> None:
    uid, place = ground
    nested = place.inside / "nested"
    nested.mkdir()
    nested.chmod(0o777)
    before = place.state()
    code = "import os,sys; os.rename(sys.argv[1], sys.argv[1]+'.old'); os.symlink(sys.argv[2], sys.argv[1])\n"
    code += "try: os.chmod(sys.argv[1] + '/victim', 0o601)\nexcept PermissionError: print('refused')"
    _, text = drive(
        argv=[PYTHON, "-c", code, str(nested), str(place.outside)],
        uid=uid,
        namespaces=True,
        write=[str(place.inside), str(nested)],
    )
    assert text == "refused\n"
    assert place.state() == before


def test_the_attacks_work_outside(ground: tuple[int | None, Ground]) -> None:
    uid, place = ground
    _, text = drive(
        argv=[PYTHON, "-c", ATTACKS, str(place.inside), str(place.outside)], uid=uid, namespaces=False, confined=False
    )
    assert text.count("chmod") == 9 or uid is not None
    assert "'chmod link'" in text
    assert {"'set-user-id'", "'hard link'", "'rename'"} <= set(text.strip("[]\n").split(", "))


ACROSS = """
import os, shutil, subprocess, sys
first, second, tools = sys.argv[1:]
own = first + "/true"
shutil.copy("/bin/true", own)
os.chmod(own, 0o755)
def link(name): os.link(own, name); return name
def move(name): shutil.copy(own, own + "2"); os.rename(own + "2", name); return name
places = {"itself": lambda: own}
for name, folder in (("second", second), ("tools", tools)):
    places["link to " + name] = lambda folder=folder: link(folder + "/linked")
    places["move to " + name] = lambda folder=folder: move(folder + "/moved")
for name, place in places.items():
    try: subprocess.run([place()], check=True)
    except OSError: continue
    print(name)
"""


@SPACES
def test_links_across_granted_folders_give_no_right(ground: tuple[int | None, Ground], namespaces: bool) -> None:
    """From one writable folder to another, and to one whose programs may be run: what was written never runs."""
    uid, place = ground
    second = place.root / "second"
    second.mkdir()
    second.chmod(0o777)
    order: dict[str, Any] = {
        "argv": [PYTHON, "-c", ACROSS, str(place.inside), str(second), str(place.outside)],
        "uid": uid,
    }
    before = sorted(place.outside.iterdir())
    outcome, text = drive(
        write=[str(place.inside), str(second)], read=[str(place.outside)], namespaces=namespaces, **order
    )
    assert (outcome["status"], text) == (0, "")
    assert sorted(place.outside.iterdir()) == before
    for file in (*place.inside.iterdir(), *second.iterdir()):
        file.unlink()
    assert len(drive(confined=False, namespaces=False, **order)[1].splitlines()) == 5
