"""Print the version of x07py, read from x07py/_version.py without importing the package."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "x07py/_version.py").read_text(encoding="utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    sys.stdout.write(found[1] + "\n" if found else "")
    sys.exit(not found)
