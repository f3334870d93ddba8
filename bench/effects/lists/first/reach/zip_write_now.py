import io, zipfile
def pack(text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z: z.writestr("a.txt", text)
    return out.getvalue()
