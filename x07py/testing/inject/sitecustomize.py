"""Puts a program that ``x07 rr exec`` started on its cassette, or one that is explored on its simulated brokers, before
its first line runs.

Python imports ``sitecustomize`` from the first folder of PYTHONPATH that has one; the one that the program would have
imported is run afterwards.
"""

import os
import runpy
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path = [folder for folder in sys.path if folder != _HERE]
if "X07_EXPLORED" in os.environ:
    from x07py.testing.explored import begin

    begin()
else:
    from x07py.testing.started import start_from_environment

    start_from_environment(_HERE)

_own = PathFinder.find_spec(__name__, sys.path)
if _own is not None and _own.origin:
    runpy.run_path(_own.origin, run_name=__name__)
