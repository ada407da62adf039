"""All programs: their samples, what they say about themselves, and that a client's words change nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from random import Random

import pytest

from models.events import AuthEvent, Refused
from streams.formats import FORMATS
from streams.formats.format import Format, Sample
from streams.formats.syslog import split
from tests.hostile import adversarial, growth_problem
from tests.streams.formats.lines import read

ALL = pytest.mark.parametrize("form", FORMATS.values(), ids=list(FORMATS))
#: Programs whose log does not show successes, or not in a form that names the client.
ONLY_FAILURES = {
    "3proxy",
    "apache",
    "assp",
    "bitwarden",
    "calibre-web",
    "domino",
    "freeswitch",
    "froxlor",
    "gitea",
    "gitlab",
    "grafana",
    "half-life",
    "harbor",
    "home-assistant",
    "immich",
    "joplin-server",
    "kerio",
    "lighttpd",
    "login",
    "mailu",
    "monit",
    "murmur",
    "mysql",
    "pam",
    "overseerr",
    "paperless",
    "plesk",
    "postfixadmin",
    "proxmox",
    "pterodactyl",
    "rocketchat",
    "snappymail",
    "softether",
    "technitium",
    "traefik",
    "vaultwarden",
    "xrdp",
}
#: Programs that never know the client.
ONLY_REASONS = {"saslauthd"}
#: Programs that tell of an attempt in several lines, each of which is none (see their own tests).
SEVERAL_LINES = {"slapd"}

VICTIM = "203.0.113.66"


@ALL
def test_samples(form: Format) -> None:
    """Each sample of a program gives the fields it promises, or no event."""
    for sample in form.samples:
        events = read(sample.line)
        if sample.fields is None:
            assert events == [], sample.line
        else:
            assert len(events) == 1, sample.line
            assert {name: getattr(events[0], name) for name in sample.fields} == sample.fields
            assert 1_649_743_200 <= events[0].ts < 1_649_743_210, "12 April 2022, 06:00 UTC"


@ALL
def test_a_format_documents_itself(form: Format) -> None:
    """A format says where it comes from, what it cannot see, and shows a success, a failure and a line to leave out."""
    outcomes = {None if sample.fields is None else sample.fields["success"] for sample in form.samples}
    expected = {True, False, None} - (
        {True} if form.name in ONLY_FAILURES else {True, False} if form.name in ONLY_REASONS | SEVERAL_LINES else set()
    )
    assert outcomes == expected
    assert form.provenance
    assert form.gaps


@ALL
def test_rules_capture_fields_of_the_event(form: Format) -> None:
    """Groups are named like fields, and every rule but an echo finds an address."""
    for rule in form.rules:
        groups = set(rule.pattern.groupindex)
        assert groups <= set(AuthEvent.__struct_fields__) | {"times", "time", "forwarded", "conn"}
        assert rule.role == "echo" or groups & {"remote", "conn"}
        assert set(rule.values) <= groups
        assert "success" in {*rule.fields, *rule.values}


@ALL
def test_each_rule_is_shown_by_its_words(form: Format) -> None:
    """A line without a tag is only tried if it has one of the format's words, so each sample that counts has one."""
    for sample in form.samples:
        if sample.fields is not None:
            assert any(word in sample.line for word in form.words), sample.line


def searches(form: Format) -> Iterator[tuple[re.Pattern[str], Callable[[str], object]]]:
    """The patterns of a form, and how each is searched."""
    for pattern in (form.tags, form.own_tags):
        if pattern is not None:
            yield pattern, pattern.fullmatch
    for pattern in (form.anywhere, *(rule.pattern for rule in form.rules)):
        if pattern is not None:
            yield pattern, pattern.match
    for rule in form.rules:
        if rule.ambiguous is not None:
            yield rule.ambiguous, rule.ambiguous.search


def pieces(form: Format) -> Iterator[tuple[str, list[str]]]:
    """What the rules of ``form`` see of its samples, and where each can be cut."""
    for sample in form.samples:
        frame = split(sample.line)
        message = sample.line[frame.message_at :]
        for text in {message, sample.line[frame.tag_at :] if frame.tag_at >= 0 else message}:
            yield text, re.findall(r".+?(?:[ (<,:=\[\]>\"';.@|-]+|$)", text)


def of_samples(form: Format, pattern: re.Pattern[str], search: Callable[[str], object]) -> Iterator[Callable[[int], object]]:
    """Searches over a text that repeats a part of a sample, after another part of it, and ends otherwise."""
    chance = Random(form.name + pattern.pattern)
    for text, parts in pieces(form):
        pumps = [*parts, *(a + b for a, b in pairwise(parts)), " ", "a", "1", ","]
        cuts = [sum(map(len, parts[:count])) for count in range(len(parts) + 1)]
        for cut in cuts:
            for pump in chance.sample(pumps, min(len(pumps), 4)):
                for end in ("\n!", "!" + text[cut:]):
                    yield partial(_search, search, text[:cut], pump, end)


def _search(search: Callable[[str], object], start: str, pump: str, end: str, length: int) -> object:
    return search(start + pump * (length // len(pump)) + end)


@ALL
def test_patterns_take_linear_time(form: Format) -> None:
    """Eight times as long a text takes about eight times as long, not sixty-four times, whatever the text is made of: the pieces of
    each pattern (see ``tests/hostile.py``) and those of lines that it matches."""
    for pattern, search in searches(form):
        for job in (*adversarial(pattern, search), *of_samples(form, pattern, search)):
            assert growth_problem(job) == "", (pattern.pattern, job, job.__doc__)


def words_of_an_attacker(form: Format) -> list[str]:
    """Parts of the form's own lines that name the victim."""
    found = set()
    for sample in form.samples:
        address = (sample.fields or {}).get("remote")
        if address:
            text = sample.line[split(sample.line).message_at :].replace(f"::ffff:{address}", VICTIM).replace(str(address), VICTIM)
            cuts = sorted({0, len(text), *(index for match in re.finditer(r"\W", text) for index in match.span())})
            found |= {text[i:j] for i in cuts for j in cuts if VICTIM in text[i:j]}
    return sorted(found)


def attacked(sample: Sample, name: str) -> list[AuthEvent]:
    """What a line gives whose user calls himself ``name``; nothing if it is refused."""
    assert sample.fields is not None
    try:
        return read(sample.line.replace(str(sample.fields["login"]), name))
    except Refused:
        return []


@ALL
def test_a_name_that_looks_like_the_rest_of_the_line_changes_nothing(form: Format) -> None:
    """Whatever a user calls himself, nobody else's address comes out, and no failure becomes a success."""
    chance = Random(form.name)
    words = words_of_an_attacker(form)
    for sample in form.samples:
        if not (sample.fields and sample.fields.get("login") and sample.fields.get("remote")):
            continue
        for word in chance.sample(words, min(len(words), 60)):
            for name in (word, f"x{word}", f"{word}y", f"x {word} y"):
                for event in attacked(sample, name):
                    assert event.remote != VICTIM, name
                    assert event.success <= bool(sample.fields["success"]), name
