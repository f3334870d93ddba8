import os.path
def home(path): return os.path.expanduser(path)
