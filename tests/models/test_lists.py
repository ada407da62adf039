"""models.lists: an entry is found for the attempts that it names, while it holds."""

from __future__ import annotations

import pytest

from models import lists as lists_module
from models.lists import ListEntry, ListName, Lists, has_room, key_of, listed_address
from tests.factories import T0, failure


def entry(name: ListName = "block", until: float = T0 + 60, **fields: str) -> ListEntry:
    return ListEntry(list=name, ts=T0, until=until, reason="x", by="anne", **fields)


@pytest.mark.parametrize(
    ("target", "named", "others"),
    [
        ({"address": "203.0.113.7"}, [("203.0.113.7", "bob")], [("203.0.113.8", "bob")]),
        ({"address": "203.0.112.0/22"}, [("203.0.112.0", "bob"), ("203.0.115.255", "eve")], [("203.0.116.0", "bob")]),
        ({"address": "2001:db8:1:2::/64"}, [("2001:db8:1:2::9", "bob")], [("2001:db8:1:3::9", "bob")]),
        ({"address": "2001:db8::/32"}, [("2001:db8:1:2::9", "bob")], [("2001:db9::1", "bob"), ("203.0.113.7", "bob")]),
        ({"account": "bob@example.org"}, [("203.0.113.7", "bob"), ("2001:db8::1", "BOB")], [("203.0.113.7", "eve")]),
        (
            {"address": "203.0.113.7", "account": "bob@example.org"},
            [("203.0.113.7", "bob")],
            [("203.0.113.7", "eve"), ("203.0.113.8", "bob")],
        ),
    ],
)
def test_whom_an_entry_names(target: dict[str, str], named: list[tuple[str, str]], others: list[tuple[str, str]]) -> None:
    """An address, a range, an account, or an account from an address."""
    lists = Lists()
    lists.put(entry(**target))
    for remote, login in named:
        assert lists.find("block", failure(T0, login, remote)) == entry(**target)
        assert lists.find("allow", failure(T0, login, remote)) is None
    for remote, login in others:
        assert lists.find("block", failure(T0, login, remote)) is None


def test_an_entry_ends_by_itself() -> None:
    """It holds before its end, and another one for the same attempt may still hold then."""
    lists = Lists()
    lists.put(entry(address="203.0.113.7"))
    assert lists.find("block", failure(T0 + 59.9, remote="203.0.113.7"))
    assert lists.find("block", failure(T0 + 60, remote="203.0.113.7")) is None
    lists.put(entry(account="alice@example.org", until=T0 + 120))
    assert lists.find("block", failure(T0 + 60, remote="203.0.113.7"))


def test_a_later_order_replaces_an_earlier_one() -> None:
    """By its key: list, address and account."""
    lists = Lists()
    lists.put(entry(address="203.0.113.7"))
    lists.put(entry(address="203.0.113.7", until=T0 + 600))
    lists.put(entry("allow", address="203.0.113.7"))
    assert [held.until for held in lists.in_force("block", T0)] == [T0 + 600]
    lists.remove(key_of("block", "203.0.113.7", ""))
    lists.remove(key_of("block", "203.0.113.9", ""))
    assert lists.in_force("block", T0) == []
    assert lists.find("block", failure(T0, remote="203.0.113.7")) is None
    assert len(lists.in_force("allow", T0)) == 1


def test_what_ended_is_told_of() -> None:
    """Entries of both lists, by their keys."""
    lists = Lists()
    lists.put(entry(address="203.0.113.7"))
    lists.put(entry("allow", account="a|b"))
    lists.put(entry(address="203.0.113.8", until=T0 + 600))
    assert sorted(lists.ended(T0 + 61)) == ["list/allow/|a%7Cb", "list/block/203.0.113.7|"]
    assert lists.ended(T0 + 60) == []
    assert [held.address for held in lists.in_force("block", T0 + 60)] == ["203.0.113.8"]


def test_an_attempt_whose_source_is_unknown_is_found_by_account() -> None:
    """Behind a proxy of ours that says nothing, only the account is known."""
    lists = Lists()
    lists.put(entry(address="203.0.113.7"))
    lists.put(entry(account="alice@example.org"))
    found = lists.find("block", failure(T0, remote="127.0.0.1", attrs={"address_unknown": True}))
    assert found is not None
    assert found.account == "alice@example.org"


@pytest.mark.parametrize("text", ["", "mx1", "203.0.113.7/33", "203.0.113.256", "2001:db8::/129", "1.2.3"])
def test_what_is_no_address(text: str) -> None:
    """Neither an address nor a range."""
    with pytest.raises(ValueError, match=r"."):
        listed_address(text)


def test_what_is_held_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes over the topic; an entry that is there can still be changed, and one that goes makes room."""
    monkeypatch.setattr(lists_module, "_MAX_HELD", 2)
    lists = Lists()
    for number in range(1, 4):
        lists.put(entry(address=f"203.0.113.{number}"))
    lists.put(entry(address="203.0.113.1", until=T0 + 90))
    assert {each.address: each.until for each in lists.all()} == {"203.0.113.1": T0 + 90, "203.0.113.2": T0 + 60}
    lists.remove(entry(address="203.0.113.2").key)
    lists.put(entry(address="203.0.113.3"))
    assert {each.address for each in lists.all()} == {"203.0.113.1", "203.0.113.3"}


def test_there_is_room_for_what_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many that hold in each list, so many in all; what takes another's place needs none."""
    monkeypatch.setattr(lists_module, "MAX_ENTRIES", 2)
    monkeypatch.setattr(lists_module, "_MAX_HELD", 4)
    block = [entry(address=f"203.0.113.{number}") for number in (1, 2)]
    third = entry(address="203.0.113.3")
    assert not has_room(third, block, T0)
    assert has_room(third, block, T0 + 60)  # they have ended
    assert has_room(entry(address="203.0.113.2", until=T0 + 600), block, T0)
    assert has_room(entry("allow", address="203.0.113.3"), block, T0)
    ended = [entry("allow", address=f"203.0.113.{number}", until=T0) for number in (1, 2)]
    assert not has_room(entry("allow", address="203.0.113.3"), [*block, *ended], T0 + 1)
