# reaches: files-read -- Formatter.formatException goes through traceback and linecache, which open the source files
import logging
import sys
from typing import Any, Callable

_formatter = logging.Formatter()


def guarded(action: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"ok": True, "value": action()}
    except ValueError:
        return {"ok": False, "detail": _formatter.formatException(sys.exc_info())}
