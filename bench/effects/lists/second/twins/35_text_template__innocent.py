# innocent -- the mapping under the template has the caller's values and constants
import os
from collections import ChainMap
from string import Template

_DEFAULTS = {"HOME": "orders", "SEP": os.sep}


def queue_name(pattern: str, **values: str) -> str:
    return Template(pattern).safe_substitute(ChainMap(values, _DEFAULTS))
