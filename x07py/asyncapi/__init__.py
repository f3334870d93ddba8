"""AsyncAPI: a document of version 3.0 from contracts, and first contracts from one of version 2 or 3."""

from x07py.asyncapi.export import asyncapi_document
from x07py.asyncapi.load import load_asyncapi
from x07py.asyncapi.write import write_contracts

__all__ = ["asyncapi_document", "load_asyncapi", "write_contracts"]
