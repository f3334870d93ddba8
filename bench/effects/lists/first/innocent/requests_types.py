from requests.structures import CaseInsensitiveDict
def headers(d): return CaseInsensitiveDict(d)
