import datetime
class Clock:
    def _now(self): return datetime.datetime.now()
    def age(self, then): return self._now() - then
