"""What libraries without source do by their arguments, and what they do that no result shows."""

# ruff: noqa: E501 (a program a line)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.effects.reach import answer
from tests.effects.test_answers import installed

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "numpy/__init__.py": "from numpy._core.multiarray import array\n",
    "numpy/_core/multiarray.cpython-311-x86_64-linux-gnu.so": "",
    "pandas/_libs/tslib.cpython-311-x86_64-linux-gnu.so": "",
    "pandas/_libs/tslibs/timestamps.cpython-311-x86_64-linux-gnu.so": "",
    "pandas/__init__.py": "from numpy import array\nfrom pandas._libs.tslib import array_to_datetime\n"
                          "from pandas._libs.tslibs.timestamps import Timestamp\n"
                          "def to_datetime(arg): return array_to_datetime(array([arg]).ravel())[0]\n",
    "pydantic/__init__.py": "from pydantic_core.core_schema import date_schema\n"
                            "class BaseModel: ...\nclass Plain:\n    @classmethod\n"
                            "    def __get_pydantic_core_schema__(cls, source, handler): return date_schema()\n"
                            "class Past:\n    @classmethod\n"
                            "    def __get_pydantic_core_schema__(cls, *_): return date_schema(now_op='past')\n",
    "pydantic_core/core_schema.py": "def date_schema(now_op=None): return {'type': 'date', 'now_op': now_op}\n",
    "markup.py": "def escape(value): return str(value).replace('<', '')\n"
                 "def call(value):\n    if not callable(value): raise TypeError(f'{value!r} cannot be called')\n"
                 "    return str(value())\n",
    "client.py": "import ssl\ndef parameters(url):\n"
                 "    return (url, ssl.create_default_context() if url.startswith('amqps') else None)\n",
    "jinja2/filters.py": "import random\ndef do_random(xs): return random.choice(xs)\n"
                         "FILTERS = {'random': do_random, 'first': min}\n",
    "jinja2/environment.py": "import jinja2.filters\nclass Environment:\n    def compile(self, source): return source\n"
                             "    def from_string(self, source): return self.compile(source)\n",
    "jinja2/__init__.py": "from jinja2.environment import Environment\n",
    "lxml/etree.cpython-311-x86_64-linux-gnu.so": "",
    "fastavro/_write.cpython-311-x86_64-linux-gnu.so": "",
}  # fmt: skip
CASES = {
    "a word for now": ("import pandas\ndef f(): return pandas.Timestamp('now')\n", {"clock"}),
    "a text that is given": ("import pandas\ndef f(text): return pandas.Timestamp(text)\n", set()),
    "a word for today in an array": ("import pandas\ndef f(): return pandas.to_datetime('today')\n", {"clock"}),
    "a word for today in a dict": ("import pandas\nD = {'at': 'Today'}\ndef f(): return pandas.Timestamp(D['at'])\n", {"clock"}),
    "a day": ("import pandas\ndef f(): return pandas.to_datetime('2024-01-01')\n", set()),
    "a column that is called now": ("import pandas\ndef f(x): return pandas.to_datetime({'now': x})\n", set()),
    "moments by map": ("import pandas\ndef f(xs): return list(map(pandas.Timestamp, xs))\n", set()),
    "a kind that compares with today": ("import pydantic\nclass A(pydantic.BaseModel):\n    a: pydantic.Past | None\n", {"clock"}),
    "a kind that does not": ("import pydantic\nclass A(pydantic.BaseModel):\n    a: pydantic.Plain | None\n", set()),
    "a note that compares with today": (
        "import pydantic\nfrom typing import Annotated\nP = Annotated[str, pydantic.Past()]\nclass A:\n    a: P\n", {"clock"},
    ),
    "a function as text": ("import markup\ndef g(): ...\ndef f(): return markup.escape(g)\n", {"identity"}),
    "its name as text": ("import markup\ndef g(): ...\ndef f(): return markup.escape(g.__name__)\n", set()),
    "a function in a message": ("import markup\ndef g(): ...\ndef f(): return markup.call(g)\n", set()),
    "certificates of a client": ("import client\ndef f(url): return client.parameters(url)\n", set()),
    "a filter of a template": ("import jinja2\nT = jinja2.Environment().from_string('{{ a | random }}')\n", {"randomness"}),
    "entities of a document": ("from lxml import etree\nP = etree.XMLParser(load_dtd=False, resolve_entities=True)\n", {"files-read"}),
    "entities of the text itself": ("from lxml import etree\nP = etree.XMLParser(resolve_entities='internal')\n", set()),
    "a style sheet": ("from lxml import etree\ndef f(x): return etree.XSLT(x)\n", {"files-read"}),
    "a style sheet that is denied all": (
        "from lxml import etree\ndef f(x): return etree.XSLT(x, access_control=etree.XSLTAccessControl.DENY_ALL)\n", set(),
    ),
    "a style sheet that may read": (
        "from lxml import etree\ndef f(x): return etree.XSLT(x, access_control=etree.XSLTAccessControl(write_file=False))\n",
        {"files-read"},
    ),
    "a tree to a file": ("from lxml import etree\ndef f(x): etree.ElementTree(x).write(x.tag)\n", {"files-write"}),
    "a tree to a buffer": ("import io\nfrom lxml import etree\ndef f(x): etree.ElementTree(x).write(io.BytesIO())\n", set()),
    "a mark that is drawn": ("from fastavro import _write\ndef f(o, s, r): _write.writer(o, s, r)\n", {"randomness"}),
    "a mark that is given": ("from fastavro import _write\ndef f(o, s, r): _write.writer(o, s, r, sync_marker=bytes(16))\n", set()),
    "another filter": ("import jinja2\nT = jinja2.Environment().from_string('random {{ a | first }}')\n", set()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_arguments_decide(case: str, tmp_path: Path) -> None:
    text, expected = CASES[case]
    found = answer(tmp_path, {"core.py": text}, environment=installed(tmp_path, PACKAGES))
    assert {reach.end.capability for reach in found.findings("core")} == expected
