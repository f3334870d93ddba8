"""AsyncAPI 3.0: a document from the contracts of a project, and first contracts from a document."""

from x07py.asyncapi.export import asyncapi_document
from x07py.asyncapi.load import load_asyncapi
from x07py.asyncapi.write import write_contracts

__all__ = ["asyncapi_document", "load_asyncapi", "write_contracts"]
