import difflib
def diff(a, b): return list(difflib.unified_diff(a, b))
