import time
def call(f): return f()
def at(): return call(time.time)
