# reaches: environment -- os.environ is one layer of a ChainMap
from collections import ChainMap
import os

_DEFAULTS = {"MAX_RETRIES": "5", "DEAD_LETTER": "orders.dlq"}


class Settings:
    def __init__(self, overrides: dict[str, str] | None = None):
        self._layers = ChainMap(overrides or {}, os.environ, _DEFAULTS)

    def integer(self, name: str) -> int:
        return int(self._layers[name])


def max_retries(overrides: dict[str, str] | None = None) -> int:
    return Settings(overrides).integer("MAX_RETRIES")
