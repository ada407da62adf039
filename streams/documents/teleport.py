"""Teleport."""

from __future__ import annotations

from typing import Final

from streams.documents.document import Document, Fields, Rule, Sample, any_of

__all__ = ["DOCUMENT"]

_FIELDS: Final[Fields] = {
    "ts": "time",
    "login": "user",
    "remote": ("addr.remote", "client_ip"),
    "success": "success",
    "user_agent": "user_agent",
    "event_id": "uid",
}

DOCUMENT: Final = Document(
    name="teleport",
    provenance="Teleport's audit event reference (user.login, codes T1000I, T1000W, T1001I, T1001W), 7 to 17",
    gaps="Sessions and certificates that follow a log-in are not read.",
    rules=(
        Rule(
            {"event": any_of("user.login"), "code": None, "cluster_name": None},
            _FIELDS,
            {"success": {"true": True, "false": False}},
            {"protocol": "other"},
        ),
        Rule({"event": None, "code": None, "cluster_name": None, "uid": None}, constants={"success": None}),
    ),
    samples=(
        Sample(
            {
                "ei": 0,
                "event": "user.login",
                "uid": "a1",
                "code": "T1000W",
                "time": "2022-04-12T06:00:01.133Z",
                "cluster_name": "t.example",
                "user": "anna",
                "success": False,
                "error": "invalid username, password or second factor",
                "method": "local",
                "addr.remote": "192.0.2.161:34204",
            },
            {"login": "anna", "remote": "192.0.2.161", "success": False},
        ),
        Sample(
            {
                "ei": 0,
                "event": "user.login",
                "uid": "a2",
                "code": "T1000I",
                "time": "2022-04-12T06:00:02.133Z",
                "cluster_name": "t.example",
                "user": "bob",
                "success": True,
                "method": "local",
                "addr.remote": "[2001:db8::161]:34204",
            },
            {"login": "bob", "remote": "2001:db8::161", "success": True},
        ),
        Sample(
            {
                "ei": 0,
                "event": "session.start",
                "uid": "a3",
                "code": "T2000I",
                "time": "2022-04-12T06:00:03.133Z",
                "cluster_name": "t.example",
                "user": "bob",
                "addr.remote": "192.0.2.161:34204",
            },
            None,
        ),
    ),
)
