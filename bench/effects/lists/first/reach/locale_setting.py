import locale
def money(x): return locale.currency(x)
