import io, tarfile
def pack(path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t: t.add(path)
    return out
