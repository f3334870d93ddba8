"""Puts a program that ``x07 rr exec`` started on its cassette, before its first line runs.

Python imports ``sitecustomize`` from the first folder of PYTHONPATH that has one; the one that the program would have
imported is run afterwards.
"""

import runpy
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from x07py.testing.program import start_from_environment

_HERE = str(Path(__file__).parent)
sys.path = [folder for folder in sys.path if folder != _HERE]
start_from_environment(_HERE)

_own = PathFinder.find_spec(__name__, sys.path)
if _own is not None and _own.origin:
    runpy.run_path(_own.origin, run_name=__name__)
