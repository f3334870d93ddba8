"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

from tests.project import embedded, kafka, project

__all__ = ["embedded", "kafka", "project"]

settings.register_profile("x07py", deadline=None)
settings.load_profile("x07py")
