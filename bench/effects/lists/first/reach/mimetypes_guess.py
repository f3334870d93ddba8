import mimetypes
def kind(name): return mimetypes.guess_type(name)
