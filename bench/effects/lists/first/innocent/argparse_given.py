import argparse
def options(argv):
    p = argparse.ArgumentParser(prog="x"); p.add_argument("--n", type=int); return p.parse_args(argv)
