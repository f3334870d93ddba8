def say(names):
    seen = {n.lower() for n in names}
    return f"seen: {seen}"
