# reaches: files-write, clock -- FileHandler subclass opens the file at the first record; Logger.makeRecord reads the time
import logging


class DeadLetters(logging.FileHandler):
    def __init__(self):
        super().__init__("/tmp/dead-letters.log", delay=True)
        self.setFormatter(logging.Formatter("%(message)s"))


_log = logging.Logger("dead-letters")
_log.addHandler(DeadLetters())


def park(message: dict) -> bool:
    _log.warning("%s", message.get("id", "?"))
    return True
