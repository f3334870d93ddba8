from dateutil import tz
def local(d): return d.astimezone(tz.tzlocal())
