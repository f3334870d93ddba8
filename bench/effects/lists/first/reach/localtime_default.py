import time
def label(): return time.strftime("%H:%M")
