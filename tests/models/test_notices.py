"""models.notices: what owners are told, once."""

from __future__ import annotations

from models.decisions import join_value
from models.notices import Notice, notices_of
from models.why import Sentences
from tests.factories import T0, ban

ALICE = "alice@example.org"
STALE = {"scope": "account_ip", "type": "notify", "scenario": "stale_password"}


def test_an_old_password_is_told_with_its_address_and_in_two_languages() -> None:
    """By account; the record has all that a mailer needs."""
    decision = ban(join_value("203.0.113.0/24", ALICE), **STALE)
    (notice,) = notices_of([decision], T0)
    assert (notice.decision_id, notice.account, notice.ts, notice.kind) == (decision.decision_id, ALICE, T0, "stale_password")
    assert "an old password from 203.0.113.0/24:" in notice.text.en
    assert "un ancien mot de passe depuis 203.0.113.0/24 :" in notice.text.fr


def test_no_word_of_the_client_is_passed_on() -> None:
    """A device names itself."""
    value = join_value(ALICE, "ua:<script> http://203.0.113.7/ {address}")
    (notice,) = notices_of([ban(value, scope="account_device", type="notify", scenario="token_failure")], T0)
    assert (notice.account, "script" in notice.text.en + notice.text.fr) == (ALICE, False)


def test_nobody_is_told_twice_or_of_what_is_only_meant() -> None:
    """Extensions, what is lifted, shadow, and decisions that tell nobody anything."""
    value = join_value("203.0.113.0/24", ALICE)
    quiet = [
        ban(value, **STALE, alert_ids=("a", "b")),
        ban(value, **STALE, lifted=T0, lifted_by="anne"),
        ban(value, **STALE, mode="shadow"),
        ban(value, **STALE, mode="proposed"),
        ban(value, **STALE | {"type": "ban"}),
        ban("203.0.113.7"),
    ]
    assert notices_of(quiet, T0) == []


def test_a_notice_names_what_it_is() -> None:
    """The fields of the record."""
    assert Notice.__struct_fields__ == ("decision_id", "account", "ts", "kind", "text")
    assert Sentences.__struct_fields__ == ("en", "fr")
