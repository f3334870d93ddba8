from time import strftime
def f(): return strftime("%Y")
