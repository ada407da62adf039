"""docker-compose.yml and deploy/Dockerfile: pinned, healthy, on the loopback, and in step with the program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from streams import __version__, cli, local_kafka
from streams import settings as settings_module

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def test_every_image_is_pinned() -> None:
    """No `latest`, no missing tag, in the compose file and in the Dockerfile."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    images = [service["image"] for service in SERVICES.values()] + re.findall(r"^FROM (\S+)", dockerfile, re.M)
    assert images
    for image in images:
        assert re.fullmatch(r"[a-z/]+:\d+\.\d+\.\d+(-[a-z-]+)?", image), image


def test_kafka_is_the_version_of_the_pom() -> None:
    """People with Docker and people with Java run the same broker."""
    assert SERVICES["broker"]["image"] == f"apache/kafka:{local_kafka.version()}"


def test_our_image_has_our_version() -> None:
    """The image's tag is the project's version."""
    assert {service["image"] for service in OURS.values()} == {f"crible:{__version__}"}


def test_the_services_are_those_of_a_deployment() -> None:
    """A broker, the topics' set-up, two workers, the blocking service and the gate."""
    assert set(SERVICES) == {"broker", "topics", "worker", "block", "gate"}
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "topics"])
def test_what_runs_on_has_a_health_check(name: str) -> None:
    """All but the job that ends have one."""
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", list(SERVICES))
def test_ports_are_published_on_the_loopback(name: str) -> None:
    """Nothing is reachable from outside the machine."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", list(OURS))
def test_every_command_is_accepted(name: str) -> None:
    """The command line of each service parses: a renamed option is found here and not at deployment."""
    command_name, *arguments = OURS[name]["command"]
    command = cli.group.get_command(click.Context(cli.group), command_name)
    assert command is not None
    command.make_context(command_name, list(arguments))


@pytest.mark.parametrize("name", list(OURS))
def test_every_variable_is_a_setting(name: str) -> None:
    """The variables of each service are read without complaint."""
    variables = {key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value)) for key, value in OURS[name]["environment"].items()}
    assert settings_module.load(environ=variables).kafka.bootstrap == "broker:19092"


def test_our_containers_are_not_root() -> None:
    """The image ends as an ordinary user, and drops every capability."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert re.search(r"^USER [1-9]\d+$", dockerfile, re.M)
    assert all(service["cap_drop"] == ["ALL"] for service in OURS.values())
