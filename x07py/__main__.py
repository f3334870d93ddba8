"""``python -m x07py``: the same as ``x07``."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109
        del sys.path[0]  # Python puts the folder there, whose modules would stand before the libraries
    from x07py_start import main

    main()
