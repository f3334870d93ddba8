from tenacity import retry, stop_after_attempt
@retry(stop=stop_after_attempt(3))
def flaky(x): return 1 / x
