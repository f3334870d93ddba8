import sys
def ask(): return sys.stdin.readline()
