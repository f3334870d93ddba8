"""Puts a program that ``x07 rr exec`` started on its cassette, before its first line runs.

Python imports ``sitecustomize`` from the first folder of PYTHONPATH that has one; the one that the program would have
is imported afterwards.
"""

import sys
from importlib import import_module
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path = [folder for folder in sys.path if folder != _HERE]
del sys.modules[__name__]

from x07py.testing.program import start_from_environment  # noqa: E402 - the path has to be right first

start_from_environment(_HERE)

try:
    import_module("sitecustomize")
except ModuleNotFoundError as error:
    if error.name != "sitecustomize":
        raise
