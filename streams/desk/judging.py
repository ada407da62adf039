"""What a service answers to ``crible feedback``, over HTTP, with a key of an operator or of support.

* ``POST /v1/desk/feedback`` ``{"alert_id", "judgement": "true_positive" | "false_positive", "reason"?}``: 201 with the judgement,
  once it is on ``auth.feedback`` and noted in ``auth.audit``. Whether there is such an alert is not looked at: it keeps none.

Nothing that decides reads the topic: it orders an analyst's list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from models.feedback import SCHEMA, Judgement
from models.orders import AUDIT_SCHEMA, Audit
from streams.desk.admission import Admission, answer, give
from streams.serve import bounded_body
from streams.settings import Settings
from streams.writing import TopicWriter, Written

__all__ = ["FeedbackTopic", "judging_routes"]


class FeedbackTopic:
    """Writes judgements to ``auth.feedback``, each after a note in ``auth.audit``.

    Args:
        settings: Where the broker is.
    """

    def __init__(self, settings: Settings) -> None:
        self._audit = TopicWriter(settings, "auth.audit", AUDIT_SCHEMA)
        self._judgements = TopicWriter(settings, "auth.feedback", SCHEMA)

    def judge(self, judgement: Judgement) -> None:
        """Return when the broker has both.

        Raises:
            CribleError: It does not take them in time; the note may be there.
        """
        identity, ts = judgement.alert_id, judgement.ts
        note = Audit(ts=ts, decision_id=identity, action=judgement.judgement, by=judgement.by, reason=judgement.reason)
        self._audit.send([Written(identity, msgspec.json.encode(note), ts)])
        self._judgements.send([Written(identity, msgspec.json.encode(judgement), ts)])

    def close(self) -> None:
        """Leave the broker."""
        self._audit.close()
        self._judgements.close()


class _Judging:
    def __init__(self, admission: Admission, send: Callable[[Judgement], None]) -> None:
        self._admission, self._send = admission, send

    async def judge(self, request: Request) -> Response:
        by = self._admission.analyst(request)
        judgement = _judgement(await bounded_body(request), {"ts": self._admission.clock(), "by": by})
        await give(self._send, judgement)
        return answer(judgement, 201)


def _judgement(body: bytes, known: dict[str, Any]) -> Judgement:
    """The judgement in a body, with what the service knows.

    Raises:
        HTTPException: 400, it is none.
    """
    try:
        asked = msgspec.json.decode(body, type=dict[str, str])
        if not asked.keys() <= {"alert_id", "judgement", "reason"}:
            raise msgspec.ValidationError("expected alert_id, judgement and reason alone")
        return msgspec.convert(asked | known, Judgement)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise HTTPException(400, str(error)) from None


def judging_routes(admission: Admission, send: Callable[[Judgement], None]) -> list[Route]:
    """The route of the module's text.

    Args:
        admission: Keys with ``operator``, or ``support`` for all realms, may judge.
        send: Returns when a judgement is kept; it runs in a thread and raises ``CribleError``.
    """
    return [Route("/v1/desk/feedback", _Judging(admission, send).judge, methods=["POST"])]
