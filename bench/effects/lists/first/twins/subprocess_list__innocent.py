import subprocess
def f(a): return subprocess.list2cmdline(a)
