from dateutil import parser
def f(t): return parser.parse(t)
