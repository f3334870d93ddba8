import os.path
def suffix(name): return os.path.splitext(os.path.basename(name))[1]
