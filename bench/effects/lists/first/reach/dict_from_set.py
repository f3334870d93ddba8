def index(words):
    table = dict.fromkeys(set(words), 0)
    return [k for k in table]
