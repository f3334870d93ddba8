# innocent -- calendar.monthrange and timegm compute only
import calendar
from datetime import date


def last_day(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])


def due_epoch(year: int, month: int) -> int:
    return calendar.timegm(last_day(year, month).timetuple())
