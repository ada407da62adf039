"""Log formats: one module each, and what they share.

``format`` says what a format is, ``syslog`` takes a line apart into time, host, program and message, ``reader`` applies
the formats. AuthEvent JSON needs no format of its own: :func:`models.events.decode_event` reads it.
"""

from __future__ import annotations

from typing import Final

from streams.formats.dovecot import DOVECOT
from streams.formats.format import Format
from streams.formats.openssh import OPENSSH

__all__ = ["FORMATS"]

FORMATS: Final[dict[str, Format]] = {form.name: form for form in (DOVECOT, OPENSSH)}
