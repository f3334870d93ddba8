import pathlib
def ready(folder): return (pathlib.PurePath and pathlib.Path)(folder).exists()
