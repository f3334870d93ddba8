import io, zipfile
def f(x): return zipfile.ZipFile(io.BytesIO(x)).read("a")
