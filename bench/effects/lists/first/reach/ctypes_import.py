from ctypes import CDLL
def libc(): return CDLL(None)
