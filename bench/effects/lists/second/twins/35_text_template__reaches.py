# reaches: environment -- the mapping under the template is os.environ
import os
from collections import ChainMap
from string import Template


def queue_name(pattern: str, **values: str) -> str:
    return Template(pattern).safe_substitute(ChainMap(values, os.environ))
