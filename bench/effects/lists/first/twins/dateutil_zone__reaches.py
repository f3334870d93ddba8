from dateutil import tz
def f(d): return d.astimezone(tz.gettz())
