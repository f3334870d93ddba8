from dateutil.relativedelta import relativedelta
def next_month(d): return d + relativedelta(months=1)
