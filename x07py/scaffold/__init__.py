"""New projects from templates, and x07 for a project that is there already."""

from x07py.scaffold.adopt import adopt_project
from x07py.scaffold.create import TEMPLATES, create_project

__all__ = ["TEMPLATES", "adopt_project", "create_project"]
