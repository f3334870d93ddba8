"""Small programs that print something else each time they run bare, and the same in every replay."""

from __future__ import annotations

PROGRAMS = {
    "random numbers": """
import random; print(random.random(), random.choice('abc'), random.SystemRandom().random())
""",
    "ids of the world": """
import uuid; print(uuid.uuid4(), uuid.uuid1())
""",
    "bytes": """
import os, secrets; print(os.urandom(8), secrets.token_hex(4))
""",
    "hashes of texts": """
print(hash('x'), {'a', 'b', 'c'}, {object() for _ in range(3)})
""",
    "names of files": """
import tempfile; print(tempfile.mkdtemp(), tempfile.NamedTemporaryFile().name)
""",
    "times": """
import datetime, time; print(datetime.datetime.now(), time.time_ns(), time.perf_counter())
""",
    "addresses": """
print(id(object()), [id(one) for one in ([], {}, 'a')])
""",
    "a race": """
import threading
found = []
def work(n):
    for k in range(2000): found.append(n)
ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in ts: t.start()
for t in ts: t.join()
import hashlib; print(hashlib.sha256(bytes(found)).hexdigest())
""",
    "a race with sleeps": """
import threading, time, random
found = []
def work(n):
    for k in range(20): time.sleep(random.random() / 100); found.append(n)
ts = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in ts: t.start()
for t in ts: t.join()
print(found)
""",
    "the order of results": """
from concurrent.futures import ThreadPoolExecutor, as_completed
with ThreadPoolExecutor(8) as p: print([f.result() for f in as_completed([p.submit(lambda n=n: n) for n in range(30)])])
""",
    "what is free": """
import os, shutil; print(os.statvfs('.'), shutil.disk_usage('/'), os.getloadavg(), os.sysconf('SC_AVPHYS_PAGES'))
""",
    "numbers of pipes": """
import os; print(os.fstat(0), os.fstat(os.pipe()[0]), os.getpid(), os.getppid())
""",
}
