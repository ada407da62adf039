"""JSON log-in records: a module for each source, and what they share.

A module that has a ``DOCUMENT`` is found by itself: adding a source is adding a file. ``document`` says what a document is,
``reader`` applies them; ``journald`` and ``shippers`` unpack what journalctl and others wrap around a line of text.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Final

from streams.documents.document import Document

__all__ = ["DOCUMENTS"]


def _found() -> list[Document]:
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    documents = [module.DOCUMENT for module in modules if hasattr(module, "DOCUMENT")]
    return sorted(documents, key=lambda document: (document.is_common, document.name))


#: By name; common schemas last.
DOCUMENTS: Final[dict[str, Document]] = {document.name: document for document in _found()}
