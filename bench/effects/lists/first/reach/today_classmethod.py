from datetime import date
def is_due(day): return day < date.today()
