"""Asks the services over HTTP, with the key of an operator or of support."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ssl import create_default_context
from typing import Any, Final, TypeVar

import httpx
import msgspec

from models.errors import CribleError, InputError
from models.feedback import Judgement
from models.lists import ListEntry
from streams.desk.cuts import Draft, Reopened
from streams.desk.forgetting import Remembered
from streams.desk.kill_switch import Stopped
from streams.desk.policies import Accepted, InForce
from streams.desk.routes import Listed, Ordered
from streams.desk.support import Why
from streams.settings import Settings

__all__ = ["DeskClient", "GoesBy"]

#: All services are to have stopped within 15 s; their enforcement points need up to 5.5 s of that.
_STOP_LIMIT_S: Final = 9.0
_REQUEST_LIMIT_S: Final = 3.0
_AGAIN_S: Final = 0.5
_ERROR_STATUS: Final = 400
_SERVER_ERROR_STATUS: Final = 500

Form = TypeVar("Form")


class GoesBy(msgspec.Struct):
    """What ``/ready`` of a service or gate says of its policy."""

    policy: str
    policy_hash: str
    policy_from: str


class DeskClient:
    """See the module's text.

    Args:
        settings: ``desk`` says where the services are and which key they know.

    Raises:
        InputError: There is no key, or it cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._services, self._gates = ([url.rstrip("/") for url in urls] for urls in (settings.desk.services, settings.desk.gates))
        if settings.desk.key_file is None:
            raise InputError("desk.key_file is not set", where="settings", hint="name the file with an operator's key")
        try:
            key = Path(settings.desk.key_file).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            raise InputError("the key cannot be read", where=settings.desk.key_file, hint="set desk.key_file") from None
        self._headers = {"X-Api-Key": key}
        try:
            self._trusted = create_default_context(cafile=settings.desk.ca_file)
        except OSError:
            raise InputError("holds no certificates", where=str(settings.desk.ca_file), hint="set desk.ca_file") from None

    def stop(self, order: Mapping[str, str]) -> dict[str, Stopped | CribleError]:
        """Stop at every service and gate: what each answered, or why it did not."""
        return self._everywhere(lambda url: self._ask("POST", url, "/v1/stops", Stopped, json=order))

    def resume(self) -> dict[str, Stopped | CribleError]:
        """Resume at every service and gate: what each answered, or why it did not."""
        return self._everywhere(lambda url: self._ask("DELETE", url, "/v1/stops", Stopped))

    def decisions(self, filters: Mapping[str, str]) -> Listed:
        """What holds, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("GET", url, "/v1/desk/decisions", Listed, params=filters))

    def order(self, order: Mapping[str, str]) -> Ordered:
        """Give an order to the leader, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/orders", Ordered, json=order))

    def draft(self, asked: Mapping[str, Any]) -> Draft:
        """The decision that somebody asks for and whom it would touch, by the first service that answers; nothing is made.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/drafts", Draft, json=asked))

    def decide(self, asked: Mapping[str, Any]) -> Draft:
        """Order a decision, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/decisions", Draft, json=asked))

    def reopenings(self, filters: Mapping[str, str]) -> Reopened:
        """How far what was cut has been opened again, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("GET", url, "/v1/desk/reopenings", Reopened, params=filters))

    def reopen(self, order: Mapping[str, Any]) -> Ordered:
        """Order a step of a re-opening, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/reopenings", Ordered, json=order))

    def policy(self) -> InForce:
        """The policy in force, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("GET", url, "/v1/desk/policy", InForce))

    def policies(self) -> dict[str, GoesBy | CribleError]:
        """By which policy each service and gate goes, or why it does not say."""
        return self._everywhere(lambda url: self._ask("GET", url, "/ready", GoesBy))

    def apply_policy(self, asked: Mapping[str, Any]) -> Accepted:
        """Order a policy, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/policy", Accepted, json=asked))

    def why(self, asked: Mapping[str, str]) -> Why:
        """Why somebody is refused, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("GET", url, "/v1/why", Why, params=asked))

    def appeal(self, appeal: Mapping[str, Any]) -> ListEntry:
        """Let somebody in, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/appeals", ListEntry, json=appeal))

    def judge(self, asked: Mapping[str, str]) -> Judgement:
        """Say whether an alert was true, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/feedback", Judgement, json=asked))

    def forget(self, login: str) -> Remembered:
        """Have an account forgotten, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("POST", url, "/v1/desk/forgotten", Remembered, json={"login": login}))

    def remembered(self, login: str) -> Remembered:
        """What still names an account, by the first service that answers.

        Raises:
            CribleError: None does, or it refuses.
        """
        return self._anywhere(lambda url: self._ask("GET", url, "/v1/desk/forgotten", Remembered, params={"login": login}))

    def _everywhere(self, ask: Callable[[str], Form]) -> dict[str, Form | CribleError]:
        """All of them at once; one that does not answer is asked again until the limit."""

        def insist(url: str) -> Form | CribleError:
            deadline = time.monotonic() + _STOP_LIMIT_S
            while True:
                try:
                    return ask(url)
                except InputError as refusal:
                    return refusal
                except CribleError as error:
                    if time.monotonic() + _AGAIN_S > deadline:
                        return error
                    time.sleep(_AGAIN_S)

        urls = [*self._services, *self._gates]
        with ThreadPoolExecutor(len(urls)) as pool:
            return dict(zip(urls, pool.map(insist, urls), strict=True))

    def _anywhere(self, ask: Callable[[str], Form]) -> Form:
        *others, last = self._services
        for url in others:
            try:
                return ask(url)
            except InputError:
                raise
            except CribleError:
                continue
        return ask(last)

    def _ask(self, method: str, url: str, path: str, form: type[Form], **content: Any) -> Form:
        """One request.

        Raises:
            InputError: The service refuses it.
            CribleError: It does not answer, or cannot do it now.
        """
        try:
            # Without the environment: a proxy meant for the internet is not to see keys.
            response = httpx.request(
                method,
                url + path,
                headers=self._headers,
                timeout=_REQUEST_LIMIT_S,
                verify=self._trusted,
                trust_env=False,
                **content,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CribleError(f"no answer ({type(error).__name__})", where=url, hint="look at desk.services") from None
        if response.status_code >= _ERROR_STATUS:
            wrong = CribleError if response.status_code >= _SERVER_ERROR_STATUS else InputError
            raise wrong(f"{response.status_code} {_message(response)}", where=url)
        try:
            return msgspec.json.decode(response.content, type=form)
        except msgspec.DecodeError:
            raise CribleError("this is no answer of crible", where=url, hint="look at desk.services") from None


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return response.reason_phrase
