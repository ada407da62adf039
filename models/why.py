"""Why somebody is refused, and until when: one sentence for support, one for the customer, in English and in French.

The customer's sentence says what he sees himself and what he can do, and nothing of how the attack was found: attackers ask too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from models.alerts import KINDS, Kind
from models.decisions import Decision, parts_of
from models.ids import reference
from models.lists import ListEntry
from models.reopening import WIDE_SCOPES
from models.scopes import covers

__all__ = ["NOTHING", "Answer", "Asked", "JudgedAttack", "Sentences", "State", "answers", "of_ended", "of_verdicts"]

State = Literal["enforced", "suspended", "not enforced", "ended"]

#: For whom a scope holds, with the parts of its value by name.
_WHO: Final[dict[str, tuple[str, str]]] = {
    "account_ip": ("from {address} to this account", "depuis {address} vers ce compte"),
    "ip": ("from {address}", "depuis {address}"),
    "range": ("from {address}", "depuis {address}"),
    "account": ("to this account from places it does not know", "vers ce compte depuis des lieux qu'il ne connaît pas"),
    "account_device": ("to this account with the program {device}", "vers ce compte avec le programme {device}"),
    "range_device": ("from {address} with the program {device}", "depuis {address} avec le programme {device}"),
    "asn_device": ("from the provider AS{asn} with the program {device}", "depuis l'opérateur AS{asn} avec le programme {device}"),
    "device": ("with the program {device}", "avec le programme {device}"),
    "account_protocol": ("to this account over {protocol}", "vers ce compte par {protocol}"),
    "asn": ("from the provider AS{asn}", "depuis l'opérateur AS{asn}"),
    "country": ("from the country {country}", "depuis le pays {country}"),
    "protocol": ("over {protocol}", "par {protocol}"),
}
_DONE: Final[dict[State, tuple[str, str]]] = {
    "enforced": ("are refused", "sont refusées"),
    "suspended": ("would be refused, but enforcement is stopped", "seraient refusées, mais l'application est suspendue"),
    "not enforced": ("are let in", "sont admises"),
    "ended": ("were refused", "ont été refusées"),
}
_BANNED: Final = ("to this account", "vers ce compte")
_KINDS_FR: Final = {
    "brute_force": "beaucoup de mots de passe essayés contre un compte",
    "password_spray": "quelques essais sur chacun de nombreux comptes",
    "credential_stuffing": "des couples volés essayés une fois chacun",
    "account_takeover": "une connexion réussie qui ne ressemble pas au titulaire",
    "login_flood": "un débit qui menace le service",
}
_ELSEWHERE: Final = (
    "From another connection, or with webmail, you can log in as usual.",
    "Depuis une autre connexion, ou par le webmail, vous pouvez vous connecter comme d'habitude.",
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """About whom is asked: a reference, an account key, an address in the form that is counted; what is "" is not asked for.

    ``country`` and ``asn`` are the address's, "" and 0 where nobody knows them.
    """

    ref: str = ""
    account: str = ""
    address: str = ""
    country: str = ""
    asn: int = 0


class JudgedAttack(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign, running or over, because of which log-ins were judged one by one; its reference is what refused clients are told.

    ``until_ts`` is when it ends unless it goes on; both times are UTC seconds.
    """

    campaign_id: str
    kind: Kind
    first_ts: float
    until_ts: float


class Sentences(msgspec.Struct, frozen=True):
    """The same in two languages."""

    en: str
    fr: str


#: What support hears where nothing is found.
NOTHING: Final = Sentences(
    "Nothing that was decided, and no list, refuses whom you ask about.",
    "Aucune décision ni aucune liste ne refuse la personne dont il s'agit.",
)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that refuses, or would; ``until`` is UTC seconds, ``decision_id`` is ``None`` for lists and verdicts."""

    reference: str
    state: State
    until: float
    support: Sentences
    customer: Sentences
    decision_id: str | None = None


def answers(asked: Asked, decisions: Iterable[Decision], entries: Iterable[ListEntry], suspended: set[str]) -> list[Answer]:
    """Everything that meets whom is asked about, what is enforced first; of verdicts :func:`of_verdicts` tells.

    With an address alone, nothing that names an account is told: who else uses an address is nobody's business.

    Args:
        asked: Names at least one of its fields.
        decisions: Those that hold.
        entries: Of the block list, in force.
        suspended: The ids of decisions that a person stopped.
    """
    found = [_of_entry(entry) for entry in entries if _names_entry(asked, entry)]
    found += [_of_decision(decision, _state(decision, suspended)) for decision in decisions if _meets(asked, decision)]
    return sorted(found, key=lambda answer: (answer.state != "enforced", -answer.until))


def of_ended(decision: Decision) -> Answer:
    """What is told of the reference of an enforced decision that has ended."""
    return _of_decision(decision, "ended")


def of_verdicts(ref: str, attacks: Iterable[JudgedAttack], now: float, state: State) -> list[Answer]:
    """What is told of the reference that a verdict gave.

    Args:
        ref: What the customer was told.
        attacks: Those that are known.
        now: UTC seconds.
        state: What becomes of verdicts at the moment.
    """
    return [_of_attack(each, state if now < each.until_ts else "ended") for each in attacks if reference(each.campaign_id) == ref]


def _meets(asked: Asked, decision: Decision) -> bool:
    if decision.type not in {"ban", "guard", "tarpit", "challenge"}:
        return False
    if asked.ref:
        return reference(decision.decision_id) == asked.ref
    if decision.scope in WIDE_SCOPES:
        return decision.mode == "enforce" and _may_come_from(asked, decision)
    parts = parts_of(decision.scope, decision.value)
    return _is_about(asked, parts.get("address", ""), parts.get("account", ""))


def _may_come_from(asked: Asked, decision: Decision) -> bool:
    """Whether what is cut widely may be where the customer comes from: support hears of it unless it cannot be."""
    known = {"country": asked.country, "asn": str(asked.asn or "")}.get(decision.scope)
    return known in {None, "", decision.value}


def _names_entry(asked: Asked, entry: ListEntry) -> bool:
    return entry.reference == asked.ref if asked.ref else _is_about(asked, entry.address, entry.account)


def _is_about(asked: Asked, address: str, account: str) -> bool:
    """Whether something on this address, account or pair meets whom is asked about."""
    if not (address or account) or (account and account != asked.account):
        return False
    return not address or (covers(address, asked.address) if asked.address else bool(account))


def _state(decision: Decision, suspended: set[str]) -> State:
    if decision.mode != "enforce":
        return "not enforced"
    return "suspended" if decision.decision_id in suspended else "enforced"


def _of_decision(decision: Decision, state: State) -> Answer:
    parts = parts_of(decision.scope, decision.value)
    who = _BANNED if (decision.scope, decision.type) == ("account", "ban") else _WHO[decision.scope]
    who_en, who_fr = (template.format(**parts) for template in who)
    since, until = _clock(decision.start), _clock(decision.end)
    why_en, why_fr = KINDS[decision.scenario].title.lower(), _KINDS_FR.get(decision.scenario, decision.scenario)
    done_en, done_fr = _DONE[state]
    if state == "not enforced":
        done_en, done_fr = f"{done_en}: this is only {decision.mode}", f"{done_fr} : décision seulement « {decision.mode} »"
    return Answer(
        reference=reference(decision.decision_id),
        state=state,
        until=decision.end,
        support=Sentences(
            f"Log-ins {who_en} {done_en}, from {since} to {until}: {why_en} ({decision.reason}).",
            f"Les connexions {who_fr} {done_fr}, du {since} au {until} : {why_fr} ({decision.reason}).",
        ),
        customer=_to_customer(until) if state == "enforced" else _not_us(),
        decision_id=decision.decision_id,
    )


def _of_entry(entry: ListEntry) -> Answer:
    until = _clock(entry.until)
    target = " / ".join(part for part in (entry.address, entry.account) if part)
    return Answer(
        reference=entry.reference,
        state="enforced",
        until=entry.until,
        support=Sentences(
            f"{target} is on the block list until {until}, put there by {entry.by}: {entry.reason}.",
            f"{target} est sur la liste de blocage jusqu'au {until}, inscrit par {entry.by} : {entry.reason}.",
        ),
        customer=_to_customer(until),
    )


def _of_attack(attack: JudgedAttack, state: State) -> Answer:
    since, until = _clock(attack.first_ts), _clock(attack.until_ts)
    why_en, why_fr = KINDS[attack.kind].title.lower(), _KINDS_FR.get(attack.kind, attack.kind)
    done_en, done_fr = _DONE[state]
    return Answer(
        reference=reference(attack.campaign_id),
        state=state,
        until=attack.until_ts,
        support=Sentences(
            f"Log-ins that look like an attack and not like their owner's {done_en} one by one, from {since} to {until}"
            f" and longer where it goes on: {why_en}.",
            f"Les connexions qui ressemblent à une attaque et non à celles du titulaire {done_fr} une à une, du {since} au {until}"
            f" et au-delà si elle continue : {why_fr}.",
        ),
        customer=_to_customer(until) if state == "enforced" else _not_us(),
    )


def _to_customer(until: str) -> Sentences:
    elsewhere_en, elsewhere_fr = _ELSEWHERE
    return Sentences(
        f"To protect accounts, log-ins like yours are refused until {until}; your account and your mail are safe. {elsewhere_en}",
        f"Pour protéger les comptes, les connexions comme la vôtre sont refusées jusqu'au {until} ; votre compte et vos messages"
        f" sont en sûreté. {elsewhere_fr}",
    )


def _not_us() -> Sentences:
    return Sentences(
        "Nothing refuses your log-ins at the moment; check the password and the settings of your mail program.",
        "Rien ne refuse vos connexions en ce moment ; vérifiez le mot de passe et les réglages de votre logiciel de messagerie.",
    )


def _clock(ts: float) -> str:
    return f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d %H:%M} UTC"
