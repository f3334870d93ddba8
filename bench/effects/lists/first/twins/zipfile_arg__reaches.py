import zipfile
def f(x): return zipfile.ZipFile("a.zip").read(x)
