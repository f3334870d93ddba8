import os
class Settings:
    @property
    def debug(self): return os.environ.get("DEBUG") == "1"
