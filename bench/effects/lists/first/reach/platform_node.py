import platform
def host(): return platform.node()
