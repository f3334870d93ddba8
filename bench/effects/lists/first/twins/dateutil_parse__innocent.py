from datetime import datetime
from dateutil import parser
def f(t): return parser.parse(t, default=datetime(2000, 1, 1))
