"""streams.settings: what is read from where, and what is refused how."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InputError
from streams.settings import Kafka, Realm, Settings, load


def write(tmp_path: Path, text: str) -> Path:
    config = tmp_path / "crible.toml"
    config.write_text(text, "utf-8")
    return config


def test_defaults_need_no_file() -> None:
    """Without file and variables the defaults hold, and they stay on the loopback."""
    settings = load(environ={})
    assert settings == Settings()
    assert (settings.kafka.bootstrap, settings.worker.host, settings.block.host) == ("127.0.0.1:9092", "127.0.0.1", "127.0.0.1")


def test_variables_override_the_file(tmp_path: Path) -> None:
    """A variable beats the file, the file beats the default, and other sections are left alone."""
    config = write(tmp_path, '[kafka]\npartitions = 4\nprefix = "a."\n[worker]\nskew_limit_s = 60\n')
    settings = load(config, {"CRIBLE_KAFKA_PREFIX": "b.", "CRIBLE_KAFKA_SESSION_TIMEOUT_S": "6"})
    assert settings.kafka == Kafka(partitions=4, prefix="b.", session_timeout_s=6)
    assert settings.worker.skew_limit_s == 60


def test_crible_kafka_is_short_for_the_bootstrap_servers() -> None:
    """CRIBLE_KAFKA names the broker; the long name wins where both are set."""
    assert load(environ={"CRIBLE_KAFKA": "a:1"}).kafka.bootstrap == "a:1"
    assert load(environ={"CRIBLE_KAFKA_BOOTSTRAP": "b:1", "CRIBLE_KAFKA": "a:1"}).kafka.bootstrap == "b:1"


def test_lists_in_variables_are_json() -> None:
    """A list of structs can come from a variable."""
    digest = "0" * 64
    settings = load(environ={"CRIBLE_BLOCK_API_KEYS": f'[{{"name": "bouncer", "sha256": "{digest}"}}]'})
    assert [(key.name, key.sha256) for key in settings.block.api_keys] == [("bouncer", digest)]


def test_tables_in_variables_are_json() -> None:
    """So can a table, and a list of addresses."""
    settings = load(
        environ={
            "CRIBLE_ACCOUNTS_REALMS": '{"example.org": {"aliases": ["example.net"], "tag_separator": "+"}}',
            "CRIBLE_INGEST_TRUSTED_PROXIES": '["10.0.0.0/8", "2001:db8::1"]',
        }
    )
    assert settings.accounts.realms == {"example.org": Realm(aliases=["example.net"], tag_separator="+")}
    assert settings.ingest.trusted_proxies == ["10.0.0.0/8", "2001:db8::1"]


def test_foreign_variables_are_left_alone() -> None:
    """A variable whose second word is no section is somebody else's."""
    assert load(environ={"CRIBLE_REQUIRE_KAFKA": "1", "PATH": "/bin"}) == Settings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[kafka]\nbootstrp = 'x'\n", "unknown key kafka.bootstrp; did you mean kafka.bootstrap?"),
        ("[kafak]\n", "unknown key kafak; did you mean kafka?"),
        ("[kafka]\npartitions = '4'\n", "Expected `int`, got `str` - at `kafka.partitions`"),
        ("[kafka]\nprefix = 'a b'\n", "at `kafka.prefix`"),
        ("[worker]\nport = 70000\n", "at `worker.port`"),
        ("kafka = 3\n", "at `kafka`"),
        ("[ingest]\ntrusted_proxies = ['10.0.0.0/33']\n", "10.0.0.0/33"),
        ("[ingest]\ntrusted_proxies = ['10.0.0.1/8']\n", "10.0.0.1/8 has host bits set"),
        ("[accounts.realms.a]\nalias = ['b']\n", "alias"),
        ("[accounts.realms.a]\naliases = ['b']\n[accounts.realms.B]\n", "b is named twice"),
        ("[[block.api_keys]]\nname = 'a'\nsha256 = 'short'\n", "at `block.api_keys[0].sha256`"),
        (f"[[block.api_keys]]\nname = 'a'\nsha256 = '{'0' * 64}'\nrealms = ['b']\n", "realms are for a key with support alone"),
        ("[gate.tls]\ncertificate = 'a.pem'\n", "missing required field `key`"),
        ("[kafka\n", "not TOML"),
    ],
)
def test_a_wrong_file_is_named_with_the_key(tmp_path: Path, text: str, said: str) -> None:
    """The error is one line with the file, the key and what to do, and asks for exit code 2."""
    config = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load(config, {})
    assert str(caught.value).startswith(f"{config}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("CRIBLE_KAFKA_PARTITION", "4", "did you mean CRIBLE_KAFKA_PARTITIONS?"),
        ("CRIBLE_WORKER_PORT", "http", "at `worker.port`"),
        ("CRIBLE_GEO_DATABASE", "a.mmdb", "at `geo.database`"),
        ("CRIBLE_GEO_DATABASE", "['a.mmdb']", "CRIBLE_GEO_DATABASE is not JSON"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, text: str, said: str) -> None:
    """The error says that the environment is wrong, and where."""
    with pytest.raises(InputError) as caught:
        load(environ={variable: text})
    assert str(caught.value).startswith("environment: ")
    assert said in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    """A config file that is not there is named."""
    with pytest.raises(InputError, match=r"nowhere.toml: cannot be read: No such file"):
        load(tmp_path / "nowhere.toml", {})


def test_a_password_is_read_from_its_file_only_for_the_client(tmp_path: Path) -> None:
    """The settings hold the path, so that showing them never shows the password."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n", "utf-8")
    kafka = Kafka(security_protocol="SASL_SSL", sasl_username="crible", sasl_password_file=str(secret))
    assert "hunter2" not in repr(kafka)
    options = kafka.client_options()
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("crible", "hunter2")
    with pytest.raises(InputError, match=r"SASL_SSL needs kafka.sasl_username"):
        Kafka(security_protocol="SASL_SSL").client_options()
