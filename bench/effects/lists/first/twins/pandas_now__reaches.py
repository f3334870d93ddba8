import pandas as pd
def f(): return pd.to_datetime("now")
