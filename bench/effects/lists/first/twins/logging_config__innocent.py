import logging
def f(): return logging.Formatter("%(message)s").format(logging.makeLogRecord({"msg": "a"}))
