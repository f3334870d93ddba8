from dateutil.parser import parse
def when(text): return parse(text)
