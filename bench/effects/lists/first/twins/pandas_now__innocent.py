import pandas as pd
def f(): return pd.to_datetime("2024-01-01")
