"""Threads, queues, timers and pools in a solve world: what they do bare, the same in every run, and in no real time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY

LOAD = """
from importlib import import_module
def load(*names):  # not by an import statement, which the guard would refuse
    for name in names: globals()[name] = import_module(name)
load("asyncio", "concurrent.futures", "os", "queue", "random", "select", "signal", "socket", "sys", "threading", "time")
futures = globals()["concurrent.futures"]
begin = time.monotonic()
def passed(): return round(time.monotonic() - begin, 1)
"""
PROGRAMS = {
    "to_thread within a limit": """
        async def main():
            print(await asyncio.wait_for(asyncio.to_thread(lambda: (time.sleep(2), "done")[1]), 5), passed())
            print(await asyncio.gather(asyncio.sleep(3, "slept"), asyncio.to_thread(sum, range(1_000_000))), passed())
            try: await asyncio.wait_for(asyncio.to_thread(time.sleep, 9), 4)
            except TimeoutError: print("late", passed())
        asyncio.run(main())""",
    "an empty queue": """
        try: queue.Queue().get(timeout=2)
        except queue.Empty: print("empty", passed())""",
    "waits of every kind with another thread": """
        def later(action): threading.Thread(target=lambda: (time.sleep(2), action())).start()
        event, lock, condition = threading.Event(), threading.Lock(), threading.Condition()
        semaphore = threading.Semaphore(0)
        later(event.set); print(event.wait(9), passed())
        lock.acquire(); later(lock.release); print(lock.acquire(timeout=9), passed())
        def notify():
            with condition: condition.notify()
        with condition: later(notify); print(condition.wait(9), passed())
        later(semaphore.release); print(semaphore.acquire(timeout=9), passed())
        print(event.clear(), event.wait(2), lock.acquire(timeout=2), semaphore.acquire(timeout=2), passed())
        slow = threading.Thread(target=time.sleep, args=(3,)); slow.start()
        slow.join(1); print(slow.is_alive(), passed())
        slow.join(9); print(slow.is_alive(), passed())""",
    "a pool": """
        with futures.ThreadPoolExecutor(4) as pool:
            print(list(pool.map(lambda n: (time.sleep(n % 3), n * n)[1], range(12))))
            late = pool.submit(time.sleep, 9)
            try: late.result(2)
            except futures.TimeoutError: print("late")""",
    "producers and consumers": """
        work, got = queue.Queue(2), []
        def produce(n):
            for k in range(4): work.put((n, k)); time.sleep((n + 1) / 7)
        def consume():
            while (item := work.get()) is not None: got.append(item)
        producers = [threading.Thread(target=produce, args=(n,)) for n in range(4)]
        consumers = [threading.Thread(target=consume) for _ in range(3)]
        for one in producers + consumers: one.start()
        for one in producers: one.join()
        for _ in consumers: work.put(None)
        for one in consumers: one.join()
        print(sorted(got))""",
    "pipes, polls and sockets": """
        reading, writing = os.pipe()
        threading.Timer(2, lambda: os.write(writing, b"x")).start()
        print(select.select([reading], [], [], 9), passed())
        print(os.read(reading, 1), select.select([reading], [], [], 2), passed())
        poll = select.poll(); poll.register(reading, select.POLLIN); print(poll.poll(2000), passed())
        one, other = socket.socketpair(); other.settimeout(2)
        try: other.recv(1)
        except TimeoutError: print("nothing came", passed())
        other.settimeout(9); threading.Timer(2, lambda: one.send(b"came")).start(); print(other.recv(9), passed())
        threading.Timer(2, lambda: os.write(writing, b"blocking")).start(); print(os.read(reading, 9), passed())""",
    "alarms": """
        class Rang(Exception): pass
        def ring(*_): raise Rang
        signal.signal(signal.SIGALRM, ring)
        signal.alarm(2)
        try: time.sleep(9)
        except Rang: print("alarm", passed())
        signal.setitimer(signal.ITIMER_REAL, 1, 2)
        for _ in range(3):
            try: time.sleep(9)
            except Rang: print("timer", passed())
        print(signal.setitimer(signal.ITIMER_REAL, 0)[1])""",
    "signals to itself": """
        signal.signal(signal.SIGUSR1, lambda *_: print("came", threading.current_thread().name))
        os.kill(os.getpid(), signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
        time.sleep(2)""",
    "a barrier and thread numbers": """
        barrier, order = threading.Barrier(3), []
        def meet(n): time.sleep(n / 5); barrier.wait(9); order.append(n)
        met = [threading.Thread(target=meet, args=(n,)) for n in range(3)]
        for one in met: one.start()
        for one in met: one.join()
        print(sorted(order), threading.active_count())""",
    "a loop that asks": """
        done = []
        threading.Thread(target=lambda: (time.sleep(2), done.append(1))).start()
        while not done: time.sleep(0.25)
        print("done", passed())""",
}
EXPECTED = {
    "to_thread within a limit": ("done 2.0\n['slept', 499999500000] 5.0\nlate 9.0\n"),
    "an empty queue": "empty 2.0\n",
    "waits of every kind with another thread": (
        "True 2.0\nTrue 4.0\nTrue 6.0\nTrue 8.0\nNone False False False 14.0\nTrue 15.0\nFalse 17.0\n"
    ),
    "a pool": ("[0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121]\nlate\n"),
    "producers and consumers": f"{[(n, k) for n in range(4) for k in range(4)]}\n",
    "pipes, polls and sockets": (
        "([3], [], []) 2.0\nb'x' ([], [], []) 4.0\n[] 6.0\nnothing came 8.0\nb'came' 10.0\nb'blocking' 12.0\n"
    ),
    "alarms": ("alarm 2.0\ntimer 3.0\ntimer 5.0\ntimer 7.0\n2.0\n"),
    "signals to itself": ("came MainThread\ncame MainThread\ncame MainThread\ncame MainThread\n"),
    "a barrier and thread numbers": "[0, 1, 2] 1\n",
    "a loop that asks": "done 2.0\n",
}
"""What each prints bare too, where its waits take real time; `X07_BARE` has the tests compare."""
PROGRAM = pytest.mark.parametrize("name", PROGRAMS)
ENVIRONMENT = """
import sys
from x07py.cli.main import main
from tests.sandbox.emulate import ENVIRONMENTS
for one in sys.argv.pop(1).split(): ENVIRONMENTS[one]()
main()
"""


def written(tmp_path: Path, program: str) -> Path:
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    lines = [line.removeprefix(" " * 8) for line in program.splitlines()]
    (tmp_path / "main.py").write_text(LOAD + "\n".join(lines) + "\n")
    return tmp_path


def replay(place: Path, *options: str, environment: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ENVIRONMENT, environment, "run", "--profile", "replay", "--timeout", "100", *options],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@PROGRAM
def test_a_program_does_in_virtual_time_what_it_does_bare_every_time(tmp_path: Path, name: str) -> None:
    place = written(tmp_path, PROGRAMS[name])
    runs = [replay(place) for _ in range(2)]
    assert [(one.returncode, one.stdout, one.stderr) for one in runs] == [(0, EXPECTED[name], "")] * 2
    if os.environ.get("X07_BARE"):
        bare = subprocess.run([sys.executable, "main.py"], cwd=place, capture_output=True, text=True, check=True)
        assert bare.stdout == EXPECTED[name]


@pytest.mark.parametrize("environment", ["docker", "docker no_reading_by_call", "bare_user_namespaces"])
def test_without_namespaces_it_does_the_same(tmp_path: Path, environment: str) -> None:
    for name in ("to_thread within a limit", "alarms", "signals to itself"):
        place = written(tmp_path, PROGRAMS[name])
        done = replay(place, environment=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, EXPECTED[name], "")


ORDER = """
        turns = []
        def work(name):
            for _ in range(5): time.sleep(0); turns.append(name)
        workers = [threading.Thread(target=work, args=(n,)) for n in "abcdef"]
        for one in workers: one.start()
        for one in workers: one.join()
        print("".join(turns), random.random(), threading.get_native_id(), os.getpid(), os.sysconf("SC_PHYS_PAGES"))"""


def test_what_no_bare_run_repeats_is_equal_in_all_runs(tmp_path: Path) -> None:
    place = written(tmp_path, ORDER)
    assert len({replay(place, environment=one).stdout for one in ("", "", "", "docker")}) == 1


DEADLOCK = """
        first, second, ready = threading.Lock(), threading.Lock(), threading.Event()
        def other():
            with first:
                ready.wait(5)
                with second: pass
        threading.Thread(target=other, name="other").start()
        with second:
            ready.set()
            with first: print("never")"""


def test_a_deadlock_is_told_with_the_place_of_every_thread(tmp_path: Path) -> None:
    began = time.monotonic()
    done = replay(written(tmp_path, DEADLOCK))
    assert (done.returncode, done.stdout) == (137, "")
    assert "x07 run: deadlock: every thread of the program waits" in done.stderr
    places = [line for line in done.stderr.splitlines() if "main.py" in line]
    assert "in other" in places[0]
    assert "in <module>" in places[1]
    assert time.monotonic() - began < 60


def test_a_thread_that_does_not_stop_lets_others_ask_for_the_lock(tmp_path: Path) -> None:
    spinning = """
        seen = []
        go = threading.Event()
        threading.Thread(target=lambda: (go.wait(), seen.append(1))).start()
        go.set()
        while not seen: pass
        print("seen")"""
    done = replay(written(tmp_path, spinning))
    assert (done.returncode, done.stdout) == (0, "seen\n")
    assert "another run may differ" in done.stderr


def test_a_signal_from_outside_reaches_a_program_whose_threads_wait(tmp_path: Path) -> None:
    waiting = """
        signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"asked to end\\n"), os._exit(3)))
        threading.Thread(target=sys.stdin.readline, daemon=True).start()
        print("waits", flush=True)
        threading.Event().wait()"""
    place = written(tmp_path, waiting)
    process = subprocess.Popen(
        [sys.executable, "-c", ENVIRONMENT, "", "run", "--profile", "replay"],
        cwd=place,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    os.kill(process.pid, signal.SIGTERM)
    assert process.stdout.read() == "asked to end\n"  # before its input ends, after which it would wait for nothing
    assert process.wait(60) == 3
    process.communicate()
