"""More small programs, as `small_programs` has: most of them wait, in threads and event loops."""

from __future__ import annotations

PROGRAMS = {
    "exceptions in a pool": """
from concurrent.futures import ThreadPoolExecutor, wait, FIRST_EXCEPTION, FIRST_COMPLETED
import time, traceback
def work(n):
    time.sleep(n / 10)
    if n == 2: raise ValueError(n)
    return n
with ThreadPoolExecutor(4) as pool:
    futures = [pool.submit(work, n) for n in range(1, 5)]
    done, rest = wait(futures, return_when=FIRST_EXCEPTION)
    print(len(done), len(rest), [str(f.exception()) for f in futures])
    try: list(pool.map(work, range(1, 4)))
    except ValueError as error: print("first", error, len(traceback.format_exc()) > 0)
    late = pool.submit(work, 5)
    print(late.cancel(), pool.submit(work, 1).result(timeout=2))
    done, rest = wait([pool.submit(work, n) for n in (4, 3)], return_when=FIRST_COMPLETED)
    print(sorted(f.result() for f in done))
""",
    "queue timeouts": """
import queue, threading, time
waiting = queue.Queue(1)
begin = time.monotonic()
for _ in range(3):
    try: waiting.get(timeout=0.2)
    except queue.Empty: print("empty")
waiting.put(1)
try: waiting.put(2, timeout=0.3)
except queue.Full: print("full")
def later(): time.sleep(0.5); print("got", waiting.get())
one = threading.Thread(target=later); one.start()
waiting.put(3, timeout=2); one.join(); print(waiting.get_nowait(), time.monotonic() - begin > 1.3)
life = queue.LifoQueue(); [life.put(n) for n in range(3)]; print([life.get() for _ in range(3)])
""",
    "asyncio primitives": """
import asyncio
order = []
async def worker(name, lock, condition, semaphore, event):
    async with lock: order.append(("lock", name)); await asyncio.sleep(0.01)
    async with semaphore: order.append(("semaphore", name)); await asyncio.sleep(0.02)
    async with condition:
        await condition.wait(); order.append(("condition", name))
    await event.wait(); order.append(("event", name))
async def main():
    lock, condition = asyncio.Lock(), asyncio.Condition()
    semaphore, event = asyncio.BoundedSemaphore(2), asyncio.Event()
    tasks = [asyncio.create_task(worker(n, lock, condition, semaphore, event)) for n in range(4)]
    await asyncio.sleep(0.5)
    async with condition: condition.notify(2)
    await asyncio.sleep(0.1)
    async with condition: condition.notify_all()
    event.set()
    await asyncio.gather(*tasks)
    barrier = asyncio.Barrier(3)
    print(sorted(await asyncio.gather(*(barrier.wait() for _ in range(3)))))
    try: await asyncio.wait_for(asyncio.Event().wait(), 0.1)
    except TimeoutError: print("late")
    print(order)
asyncio.run(main())
""",
    "task groups that fail": """
import asyncio
async def fails(delay): await asyncio.sleep(delay); raise KeyError(delay)
ended = []
async def cancelled(name):
    try: await asyncio.sleep(9)
    except asyncio.CancelledError: ended.append(name); raise
async def main():
    try:
        async with asyncio.TaskGroup() as group:
            for one in (cancelled("a"), fails(0.1), fails(0.1), cancelled("b")): group.create_task(one)
    except* KeyError as errors: print(len(errors.exceptions), sorted(ended))
    results = await asyncio.gather(fails(0.1), asyncio.sleep(0.05, 7), return_exceptions=True)
    print(results)
    done, pending = await asyncio.wait([asyncio.create_task(asyncio.sleep(d)) for d in (0.1, 3)], timeout=1)
    print(len(done), len(pending))
    shielded = asyncio.create_task(asyncio.sleep(0.2, "kept"))
    try: await asyncio.wait_for(asyncio.shield(shielded), 0.1)
    except TimeoutError: print(await shielded)
asyncio.run(main())
""",
    "asyncio and executors": """
import asyncio, time
from concurrent.futures import ThreadPoolExecutor
async def main():
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as pool:
        late = [lambda n=n: (time.sleep(n / 10), n)[1] for n in (3, 1, 2)]
        print(await asyncio.gather(*(loop.run_in_executor(pool, one) for one in late)))
    try: await asyncio.wait_for(asyncio.to_thread(time.sleep, 1), 0.2)
    except TimeoutError: print("late")
    handle = loop.call_later(5, print, "never"); handle.cancel()
    found = asyncio.Queue(); loop.call_at(loop.time() + 0.3, found.put_nowait, 1); print(await found.get())
    async def numbers():
        for n in range(3): await asyncio.sleep(0.1); yield n
    print([n async for n in numbers()])
asyncio.run(main())
""",
    "periodic timer": """
import threading
ticks, done = [], threading.Event()
def tick():
    ticks.append(len(ticks))
    if len(ticks) == 5: done.set()
    else: threading.Timer(0.1, tick).start()
tick(); print(done.wait(5), ticks)
stopped = threading.Timer(0.5, print, ("never",)); stopped.start(); stopped.cancel(); stopped.join(); print("end")
""",
    "barrier that breaks": """
import threading
barrier, found, lock = threading.Barrier(3), [], threading.Lock()
def meet():
    try: barrier.wait(timeout=0.2)
    except threading.BrokenBarrierError:
        with lock: found.append("broken")
threads = [threading.Thread(target=meet) for _ in range(2)]
for t in threads: t.start()
for t in threads: t.join()
barrier.reset(); print(found, barrier.broken)
whole = threading.Barrier(2, action=lambda: print("action"))
t = threading.Thread(target=whole.wait); t.start(); whole.wait(); t.join()
""",
    "scheduler with priorities": """
import sched, threading, time
done, plan = [], sched.scheduler(time.monotonic, time.sleep)
begin = time.monotonic()
for priority in (3, 1, 2): plan.enterabs(begin + 0.2, priority, done.append, (priority,))
gone = plan.enter(0.1, 1, done.append, ("gone",)); plan.cancel(gone)
threading.Thread(target=plan.run).start(); time.sleep(0.5); print(done, plan.empty())
""",
    "contexts in executors": """
import contextvars, asyncio
from concurrent.futures import ThreadPoolExecutor
v = contextvars.ContextVar("v", default="none")
async def task(name): v.set(name); await asyncio.sleep(0.1); return v.get(), await asyncio.to_thread(v.get)
async def main(): print(await asyncio.gather(*(task(n) for n in "abc")), v.get())
asyncio.run(main())
v.set("main")
copied = contextvars.copy_context()
with ThreadPoolExecutor(1) as pool: print(*(pool.submit(*one).result() for one in ((v.get,), (copied.run, v.get))))
""",
    "sqlite shared cache": """
import sqlite3, threading
uri = "file:shared?mode=memory&cache=shared"
keep = sqlite3.connect(uri, uri=True)
keep.execute("create table t(a integer primary key, b text)"); keep.commit()
def fill(n):
    with sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None) as one:
        for k in range(5):
            while True:
                try: one.execute("insert into t values (?, ?)", (n * 10 + k, str(n))); break
                except sqlite3.OperationalError: pass
threads = [threading.Thread(target=fill, args=(n,)) for n in range(3)]
for t in threads: t.start()
for t in threads: t.join()
print(keep.execute("select count(*), sum(a) from t").fetchone())
print(keep.execute("select count(*) from t where b = '1'").fetchone())
""",
    "sqlite dates and backup": """
import sqlite3
a, b = sqlite3.connect(":memory:"), sqlite3.connect(":memory:")
a.executescript("create table t(x); insert into t values (1), (2)")
a.executescript("create virtual table f using fts5(body); insert into f values ('hello world')")
a.backup(b)
print(b.execute("select sum(x) from t").fetchone(), a.execute("select body from f where f match 'world'").fetchall())
print(a.execute("select date('2024-02-29', '+1 year')").fetchone())
print(len(a.execute("select hex(randomblob(4))").fetchone()[0]))
print(a.execute("select json_extract('{\\"a\\": [1, 2]}', '$.a[1]')").fetchone())
""",
    "repeated alarms": """
import signal, time
rung = []
signal.signal(signal.SIGALRM, lambda *_: rung.append(len(rung)))
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
while len(rung) < 4: signal.pause()
print(rung, signal.setitimer(signal.ITIMER_REAL, 0)[1])
signal.alarm(2); print(signal.alarm(0))
begin = time.monotonic(); signal.setitimer(signal.ITIMER_REAL, 0.2); time.sleep(1)
print(time.monotonic() - begin >= 1, len(rung))
""",
    "selectors with pairs": """
import selectors, socket, threading, time
selector = selectors.DefaultSelector()
pairs = [socket.socketpair() for _ in range(3)]
for number, (one, _) in enumerate(pairs): one.setblocking(False); selector.register(one, selectors.EVENT_READ, number)
def send():
    for number in (2, 0, 1): time.sleep(0.1); pairs[number][1].sendall(b"%d" % number)
threading.Thread(target=send).start()
got = []
while len(got) < 3:
    for key, _ in selector.select(5): got.append((key.data, key.fileobj.recv(9)))
print(got)
""",
    "streams over a pair": """
import asyncio, socket
async def main():
    one, other = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=one)
    r2, w2 = await asyncio.open_connection(sock=other)
    async def echo():
        while line := await r2.readline(): w2.write(line.upper()); await w2.drain()
        w2.close()
    task = asyncio.create_task(echo())
    for text in (b"a\\n", b"bc\\n"): writer.write(text); print(await reader.readline())
    writer.write_eof(); print(await reader.read()); await task
    writer.close()
asyncio.run(main())
""",
    "weak references": """
import gc, weakref
class Node:
    def __init__(self, n): self.n = n
    def __del__(self): print("del", self.n)
a, b = Node(1), Node(2); a.o, b.o = b, a
names = weakref.WeakValueDictionary({"a": a}); ref = weakref.ref(b, lambda _: print("gone"))
del a, b; print(gc.collect() > 0, dict(names), ref())
cache = weakref.WeakKeyDictionary(); k = Node(3); cache[k] = 1; print(len(cache)); del k; print(len(cache))
""",
    "objects in sets": """
class Thing:
    def __init__(self, n): self.n = n
    def __repr__(self): return f"T{self.n}"
things = [Thing(n) for n in range(20)]
print(sorted(t.n for t in set(things)), {t.n for t in things} == set(range(20)), len({t: 1 for t in things}))
d = dict.fromkeys(things); d.pop(things[3]); d[things[3]] = 1; print(list(d)[-1], next(iter(d)))
""",
    "time zones and locale": """
import datetime, locale, time, zoneinfo, calendar
print(locale.setlocale(locale.LC_ALL, "C"), locale.localeconv()["decimal_point"], f"{1234.5:n}")
z = zoneinfo.ZoneInfo("Europe/Berlin")
d = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=z)
print(d.utcoffset(), d.replace(fold=1).utcoffset(), "UTC" in zoneinfo.available_timezones())
print(calendar.month(2024, 2), time.strftime("%a %d %b %Y", time.gmtime(0)))
print(datetime.datetime.fromtimestamp(0, datetime.UTC))
print(datetime.datetime.strptime("1 Mar 2024", "%d %b %Y"))
""",
    "heap of timers": """
import heapq, itertools, threading, time
class Wheel(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.heap, self.condition, self.count = [], threading.Condition(), itertools.count()
    def add(self, delay, act):
        with self.condition:
            heapq.heappush(self.heap, (time.monotonic() + delay, next(self.count), act)); self.condition.notify()
    def run(self):
        while True:
            with self.condition:
                while not self.heap: self.condition.wait()
                at = self.heap[0][0]; left = at - time.monotonic()
                if left > 0: self.condition.wait(left); continue
                _, _, act = heapq.heappop(self.heap)
            act()
wheel, done, got = Wheel(), threading.Event(), []
wheel.start()
for delay in (0.3, 0.1, 0.2): wheel.add(delay, lambda d=delay: got.append(d))
wheel.add(0.4, done.set); print(done.wait(5), got)
""",
    "logging with times": """
import logging, sys, threading, time, warnings
logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(threadName)s %(message)s", level=logging.INFO)
def work(n): time.sleep(n / 10); logging.info("work %d", n)
threads = [threading.Thread(target=work, args=(n,), name=f"w{n}") for n in (3, 1, 2)]
for t in threads: t.start()
for t in threads: t.join()
logging.captureWarnings(True); warnings.warn("careful")
""",
    "rate limiter": """
import threading, time
class Bucket:
    def __init__(self, rate, most):
        self.rate, self.most, self.tokens, self.at, self.lock = rate, most, most, time.monotonic(), threading.Lock()
    def take(self):
        while True:
            with self.lock:
                now = time.monotonic()
                self.tokens = min(self.most, self.tokens + (now - self.at) * self.rate); self.at = now
                if self.tokens >= 1: self.tokens -= 1; return
                left = (1 - self.tokens) / self.rate
            time.sleep(left)
bucket, begin = Bucket(10, 2), time.monotonic()
threads = [threading.Thread(target=bucket.take) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print(0.39 <= time.monotonic() - begin < 0.9)
""",
    "retry with backoff": """
import functools, random, time
def retry(most, base):
    def wrap(f):
        @functools.wraps(f)
        def inner():
            for n in range(most):
                try: return f()
                except ConnectionError:
                    if n == most - 1: raise
                    time.sleep(base * 2 ** n * random.uniform(0.9, 1.1))
        return inner
    return wrap
calls = []
@retry(4, 0.05)
def flaky():
    calls.append(1)
    if len(calls) < 3: raise ConnectionError
    return "ok"
print(flaky(), len(calls))
""",
    "reader and writer threads": """
import io, os, threading, time
reading, writing = os.pipe()
def produce():
    with os.fdopen(writing, "w") as out:
        for n in range(3): time.sleep(0.1); out.write(f"line {n}\\n"); out.flush()
threading.Thread(target=produce).start()
with os.fdopen(reading) as lines: print([line.strip() for line in lines])
""",
    "coroutines by hand": """
import types, inspect
def gen():
    x = yield 1
    try: yield x * 2
    finally: print("closed")
g = gen(); print(next(g), g.send(4)); g.close(); print(inspect.getgeneratorstate(g))
class A:
    def __await__(self): r = yield "w"; return r
async def f(): return await A()
c = f(); print(c.send(None))
try: c.send(5)
except StopIteration as s: print(s.value)
""",
    "thread dumps": """
import faulthandler, sys, threading, traceback, tempfile
e = threading.Event()
t = threading.Thread(target=e.wait, name="waits"); t.start()
print(len(sys._current_frames()), traceback.extract_stack(sys._current_frames()[t.ident])[-1].name)
e.set(); t.join()
""",
    "lock timeouts": """
import threading, time
lock = threading.Lock(); lock.acquire(); begin = time.monotonic()
print(lock.acquire(timeout=0.3), lock.acquire(False), time.monotonic() - begin >= 0.3)
r = threading.RLock(); r.acquire(); r.acquire(); out = []
t = threading.Thread(target=lambda: out.append(r.acquire(timeout=0.1))); t.start(); t.join(); print(out)
e = threading.Event(); print(e.wait(0.2)); c = threading.Condition()
with c: print(c.wait(0.1), c.wait_for(lambda: False, 0.1))
s = threading.Semaphore(0); print(s.acquire(timeout=0.1))
""",
}
"""By name. What each prints does not depend on when it runs."""
