"""Small programs as people write them, which print the same bare and in each replay; and those that cannot."""

from __future__ import annotations

PROGRAMS = {
    "threads": """
import threading
found = []
def work(number):
    for step in range(3): found.append((number, step))
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for one in threads: one.start()
for one in threads: one.join()
print(sorted(found))
""",
    "queue": """
import queue, threading
waiting = queue.Queue(2)
def produce():
    for item in range(20): waiting.put(item)
    waiting.put(None)
threading.Thread(target=produce).start()
print(list(iter(waiting.get, None)))
""",
    "timers": """
import threading
rung = []
timers = [threading.Timer(delay, rung.append, (delay,)) for delay in (0.6, 0.2, 0.4)]
for one in timers: one.start()
for one in timers: one.join()
print(rung)
""",
    "executor": """
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
import time
with ThreadPoolExecutor(3) as pool:
    futures = [pool.submit(lambda delay: (time.sleep(delay), delay)[1], delay) for delay in (0.6, 0.2, 0.4)]
    print([one.result() for one in as_completed(futures)], list(pool.map(lambda x: x * x, range(10))))
    slow = pool.submit(time.sleep, 1)
    try: slow.result(0.2)
    except TimeoutError: print("late")
    print(wait([slow]).done == {slow})
""",
    "asyncio": """
import asyncio
async def after(delay): await asyncio.sleep(delay); return delay
async def main():
    print([await one for one in asyncio.as_completed([after(0.6), after(0.2), after(0.4)])])
    print(await asyncio.wait_for(asyncio.to_thread(sum, range(100)), 9))
    try:
        async with asyncio.timeout(0.2): await asyncio.sleep(9)
    except TimeoutError: print("late")
    waiting = asyncio.Queue()
    async def consume(): return [await waiting.get() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        consumer = group.create_task(consume())
        for item in range(3): await waiting.put(item)
    print(consumer.result())
asyncio.run(main())
""",
    "loop in a thread": """
import asyncio, threading
loop = asyncio.new_event_loop()
thread = threading.Thread(target=loop.run_forever)
thread.start()
async def double(x): await asyncio.sleep(0.1); return x * 2
print([asyncio.run_coroutine_threadsafe(double(x), loop).result(5) for x in range(3)])
loop.call_soon_threadsafe(loop.stop); thread.join(); loop.close()
""",
    "signals in a loop": """
import asyncio, os, signal
async def main():
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    loop.call_later(0.2, os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(ended.wait(), 5)
    print("ended")
asyncio.run(main())
""",
    "sqlite in memory": """
import sqlite3
base = sqlite3.connect(":memory:")
base.execute("create table t(a, b)")
base.executemany("insert into t values (?, ?)", [(n, n * n) for n in range(10)])
base.create_function("more", 1, lambda x: x + 1)
print(base.execute("select more(sum(b)) from t where a > 3").fetchall())
""",
    "sqlite in threads": """
import sqlite3, threading
base, lock = sqlite3.connect(":memory:", check_same_thread=False), threading.Lock()
base.execute("create table t(a)")
def fill(number):
    for step in range(5):
        with lock: base.execute("insert into t values (?)", (number * 10 + step,))
threads = [threading.Thread(target=fill, args=(number,)) for number in range(3)]
for one in threads: one.start()
for one in threads: one.join()
print(sorted(base.execute("select a from t")))
""",
    "sqlite in the own folder": """
import os, sqlite3, tempfile
with tempfile.TemporaryDirectory() as folder:
    for number in range(2):
        base = sqlite3.connect(os.path.join(folder, "x.db"))
        base.execute("create table if not exists t(a)")
        base.execute("insert into t values (?)", (number,))
        base.commit()
        print(base.execute("select * from t").fetchall())
        base.close()
""",
    "numpy": """
import numpy
table = numpy.arange(12).reshape(3, 4)
print(table @ table.T, numpy.random.default_rng(7).integers(0, 9, 5), numpy.linalg.inv(numpy.eye(3) * 2))
""",
    "zones": """
from datetime import datetime
from zoneinfo import ZoneInfo
for name in ("Europe/Berlin", "America/New_York", "Asia/Kolkata"):
    zone = ZoneInfo(name)
    print(datetime(2024, 7, 1, 12, tzinfo=zone).isoformat(), datetime(2024, 1, 1, tzinfo=zone).tzname())
""",
    "sets": """
print({"a", "b"} | {"c"} == {"c", "b", "a"}, {1, 2, 3}, len({object() for _ in range(10)}), sorted(frozenset("hello")))
""",
    "ids": """
import uuid
print(uuid.uuid5(uuid.NAMESPACE_DNS, "x"), uuid.uuid4().version, len({uuid.uuid4() for _ in range(100)}))
""",
    "temporary files": """
import os, pathlib, tempfile
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder, "a.txt")
    path.write_text("a")
    print(path.read_text(), os.listdir(folder))
for made in (tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile, tempfile.TemporaryFile):
    with made() as file:
        file.write(b"x"); file.seek(0); print(file.read())
print(os.path.exists(folder))
""",
    "archives": """
import gzip, json, os, tarfile, tempfile, zipfile
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("a.json", "w") as file: json.dump({"a": 1}, file)
    with zipfile.ZipFile("z.zip", "w") as archive: archive.write("a.json")
    with tarfile.open("t.tar", "w") as archive: archive.add("a.json")
    with gzip.open("g.gz", "wb") as file: file.write(b"x" * 9)
    print(zipfile.ZipFile("z.zip").read("a.json"), tarfile.open("t.tar").getnames(), gzip.open("g.gz").read())
    print(sorted(os.listdir()))
    os.chdir("/")
""",
    "shutil": """
import os, shutil, tempfile
folder = tempfile.mkdtemp()
os.makedirs(f"{folder}/a/b")
with open(f"{folder}/a/b/c", "w") as file: file.write("1")
shutil.copytree(f"{folder}/a", f"{folder}/z")
shutil.copy2(f"{folder}/a/b/c", f"{folder}/q")
shutil.move(f"{folder}/q", f"{folder}/r")
os.utime(f"{folder}/r", (5, 5))
print(sorted(os.listdir(folder)), os.stat(f"{folder}/r").st_mtime, open(f"{folder}/z/b/c").read())
shutil.rmtree(folder)
print(os.path.exists(folder))
""",
    "alarms": """
import signal, time
def rings(*_): raise TimeoutError
signal.signal(signal.SIGALRM, rings)
for start, wait in ((lambda: signal.alarm(1), lambda: time.sleep(5)), (lambda: signal.setitimer(0, 0.2), signal.pause)):
    start()
    try: wait(); print("went on")
    except TimeoutError: print("rang")
""",
    "signals": """
import os, signal, threading
signal.signal(signal.SIGUSR1, lambda *_: print("came"))
signal.raise_signal(signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR2)).start()
print(signal.sigwait({signal.SIGUSR2}), signal.sigtimedwait({signal.SIGUSR2}, 0.2))
""",
    "platform": """
import platform
print(platform.python_implementation(), platform.system(), platform.python_version(), platform.machine())
""",
    "conditions": """
import threading
condition, reached, found = threading.Condition(), [0], []
def wait_for(number):
    with condition:
        condition.wait_for(lambda: reached[0] >= number, timeout=5)
        found.append(number)
threads = [threading.Thread(target=wait_for, args=(number,)) for number in (1, 2, 3)]
for one in threads: one.start()
for number in (1, 2, 3):
    with condition: reached[0] = number; condition.notify_all()
for one in threads: one.join()
print(sorted(found))
""",
    "barriers and semaphores": """
import threading
barrier, found, semaphore = threading.Barrier(3), [], threading.Semaphore(2)
def meet(number): barrier.wait(); found.append(number)
threads = [threading.Thread(target=meet, args=(number,)) for number in range(3)]
for one in threads: one.start()
for one in threads: one.join()
print(sorted(found), [semaphore.acquire(timeout=0.1) for _ in range(3)])
""",
    "scheduler": """
import sched
done, plan = [], sched.scheduler()
for delay in (0.6, 0.2, 0.4): plan.enter(delay, 1, done.append, (delay,))
plan.run()
print(done)
""",
    "log records by a queue": """
import logging, logging.handlers, queue, sys
waiting, log = queue.Queue(), logging.getLogger("x")
log.addHandler(logging.handlers.QueueHandler(waiting))
listener = logging.handlers.QueueListener(waiting, logging.StreamHandler(sys.stdout))
listener.start(); log.warning("number %d", 1); listener.stop()
""",
    "locals and contexts": """
import contextvars, threading
local, variable, found = threading.local(), contextvars.ContextVar("v", default=0), {}
def work(number): local.x = number; variable.set(number); found[number] = local.x, variable.get()
threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
for one in threads: one.start()
for one in threads: one.join()
print(sorted(found.items()), variable.get())
""",
    "pool of threads": """
from multiprocessing.pool import ThreadPool
with ThreadPool(4) as pool:
    print(pool.map(lambda x: x + 1, range(10)), pool.apply_async(lambda: 7).get(timeout=5))
    print(sorted(pool.imap_unordered(abs, [-1, -2])))
""",
    "seeded random": """
import random
source = random.Random(3)
print([source.random() for _ in range(3)], source.sample(range(100), 5))
""",
    "selectors": """
import selectors, socket
one, other = socket.socketpair()
for kind in (selectors.DefaultSelector, selectors.PollSelector, selectors.SelectSelector):
    with kind() as selector:
        selector.register(one, selectors.EVENT_READ)
        print(selector.select(0), selector.select(0.1), other.send(b"x"), len(selector.select(1)), one.recv(5))
""",
    "a pipe between threads": """
import os, threading, time
reading, writing = os.pipe()
threading.Thread(target=lambda: (time.sleep(0.2), os.write(writing, b"done"))).start()
print(os.read(reading, 10))
""",
    "a loop that sleeps": """
import threading, time
done, looks = [], 0
threading.Thread(target=lambda: (time.sleep(0.2), done.append(1))).start()
while not done: time.sleep(0.01); looks += 1
print(done, looks > 1)
""",
    "a loop that looks at its deadline": """
import multiprocessing.connection, os, time
reading, writing = os.pipe()
begin = time.monotonic()
print(multiprocessing.connection.wait([reading], 0.2), time.monotonic() - begin >= 0.2)
""",
    "sums in threads": """
import threading
sums = [0] * 4
def work(number):
    for one in range(100_000): sums[number] += one * number
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for one in threads: one.start()
for one in threads: one.join()
print(sums)
""",
    "priorities": """
import queue, threading
waiting, got = queue.PriorityQueue(), []
for number in (3, 1, 2): waiting.put(number)
def work():
    while True:
        try: got.append(waiting.get(timeout=0.2)); waiting.task_done()
        except queue.Empty: return
thread = threading.Thread(target=work)
thread.start(); waiting.join(); thread.join()
print(got, queue.SimpleQueue().empty())
""",
    "times that pass": """
import datetime, time
begin, wall = time.monotonic(), datetime.datetime.now()
time.sleep(0.5)
print(0.5 <= time.monotonic() - begin, datetime.datetime.now() - wall >= datetime.timedelta(seconds=0.5))
""",
    "hashes": """
import base64, hashlib, hmac
print(hashlib.sha256(b"x").hexdigest(), hmac.new(b"k", b"m", "sha1").hexdigest(), base64.b64encode(b"x"))
""",
    "collected objects": """
import gc, weakref
class Thing: pass
gone, thing = [], Thing()
weakref.finalize(thing, gone.append, 1)
del thing
gc.collect()
print(gone)
""",
    "the end": """
import atexit, threading
atexit.register(print, "last")
thread = threading.Thread(target=print, args=("thread",), daemon=True)
thread.start(); thread.join()
print(threading.active_count(), threading.main_thread().name)
""",
    "names of threads": """
import threading
names = []
threads = [threading.Thread(target=lambda: names.append(threading.current_thread().name)) for _ in range(3)]
for one in threads: one.start()
for one in threads: one.join()
print(sorted(names))
""",
    "numbers": """
import fractions, statistics
from decimal import Decimal
print(Decimal("1.1") + 1, fractions.Fraction(1, 3) + 1, statistics.mean([1, 2, 4]))
""",
    "tables": """
import csv, io, pickle, copy
file = io.StringIO()
csv.writer(file).writerows([[1, 2], ["a,b", "c"]])
print(list(csv.reader(io.StringIO(file.getvalue()))))
print(pickle.loads(pickle.dumps({"a": [1, {2, 3}]})), copy.deepcopy([[]]))
""",
    "texts": """
import re, unicodedata
print(re.findall(r"\\w+", "\\u00fcber \\u00f6l"), "\\u00e4".upper(), unicodedata.name("\\u00e4"))
""",
    "a cache in threads": """
import functools, threading
calls, lock = [], threading.RLock()
@functools.lru_cache
def find(number): calls.append(number); return number
def work():
    with lock:
        for number in range(3): find(number)
threads = [threading.Thread(target=work) for _ in range(3)]
for one in threads: one.start()
for one in threads: one.join()
print(calls)
""",
}
"""By name. What each prints does not depend on when it runs."""

QUICK = (
    "lock timeouts",
    *("executor", "loop in a thread", "signals", "alarms", "sqlite in the own folder", "sqlite in threads", "archives"),
    *("shutil", "pool of threads", "log records by a queue", "zones", "a loop that looks at its deadline"),
)
"""Those that every test run tries: the ones whose calls differ most from each other."""

UNABLE = {
    "processes": (
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()\n",
        "PermissionError: [Errno 13]",
    ),
    "a command": ("import subprocess\nsubprocess.run(['true'])\n", "PermissionError: [Errno 13]"),
    "mapped memory": ("import mmap\nmmap.mmap(-1, 9)\n", "mmap maps files and memory"),
    "control of open files": ("import fcntl\n", "fcntl controls open files"),
    "a connection": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "PermissionError: [Errno 13]"),
    "a file of the project": ("open('written', 'w')\n", "PermissionError: [Errno 13]"),
    "timers of the kernel's own": (
        "import signal\nsignal.setitimer(signal.ITIMER_PROF, 1)\n",
        "itimer_error: [Errno 1] Operation not permitted",
    ),
    "rates, as no time passes while it computes": (
        "import time\nbegin = time.perf_counter()\nsum(range(100_000))\nprint(1 / (time.perf_counter() - begin))\n",
        "ZeroDivisionError",
    ),
    "order by times alone, which are the same": (
        "import heapq, time\nplan = []\nfor act in (print, sum): heapq.heappush(plan, (time.time(), act))\nprint()\n",
        "TypeError: '<' not supported",
    ),
}
"""Programs that cannot be replayed, and the words that say so."""
