# innocent -- time.gmtime and time.strftime get their arguments
import time


def utc_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def window(seconds: int, size: int = 300) -> str:
    start = seconds - seconds % size
    return f"{utc_text(start)}/{utc_text(start + size)}"
