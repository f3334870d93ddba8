import re
_WORD = re.compile(r"\w+")
def words(text): return _WORD.findall(text)
