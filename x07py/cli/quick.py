"""The answer that editors, hooks and CI ask for most, without the cost of the command line's libraries.

`x07 pkg lock --check` on a lock that fits takes a fifth of the time this way; every other case takes the usual way.
"""

from __future__ import annotations

import os


def lock_is_current() -> bool:
    """Tell whether the project here has a lock that fits its manifest; False also when in doubt."""
    from x07py.contracts.lockfile import read_lock
    from x07py.contracts.project import read_project
    from x07py.errors import X07Error
    from x07py.pkg.stamp import is_known_to_fit, remember_that_it_fits

    if os.environ.get("X07_PKG_INDEX_URL"):
        return False
    try:
        project = read_project()
        if is_known_to_fit(project):
            return True
        from x07py.pkg.current import is_satisfied

        lock = read_lock(project.root)
        if lock is None or not is_satisfied(project, lock):
            return False
    except X07Error:
        return False
    remember_that_it_fits(project)
    return True
