"""What the configuration says of the outside: addresses, TLS, secrets, Redis, mail, schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.configuration.config import Config
from engine.configuration.fields import ConfigError, Secret, SecretUrl, parse_address
from engine.configuration.settings import effective, load
from engine.configuration.store_urls import without_password
from engine.sections.cache import Redis
from tests.support.configured import GOOD_SECRET, refused, write


def test_the_references_three_variables_of_redis_are_one_url_and_ours_counts_before_them():
    theirs = {"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_PASSWORD": "p@ss/word"}
    assert load(environ=theirs).redis.url == SecretUrl("redis://:p%40ss%2Fword@cache:6380")
    beside_a_service = {"REDIS_HOST": "fd00::1", "REDIS_PORT": "tcp://10.0.0.1:6379"}
    assert load(environ=beside_a_service).redis.url == SecretUrl("redis://[fd00::1]")
    assert load(environ=theirs | {"TOCSIN_REDIS_URL": "redis://ours"}).redis.url == SecretUrl("redis://ours")
    assert load(environ={"REDIS_PASSWORD": "p"}).redis.url == SecretUrl()


@pytest.mark.parametrize(
    "url",
    ["redis://a", "redis://a:6379/3", "rediss://user:p@a.example", "redis://:p@[::1]:7000/0", "unix:///run/redis.sock"],
)
def test_the_url_of_a_redis_is_taken_as_it_is(url):
    assert load({"redis.url": url}, {}).redis.url.reveal() == url.encode()


@pytest.mark.parametrize(
    "url",
    [
        *("a:6379", "http://:hush@a", "redis://", "redis://:hush@a:0", "redis://:hush@a:99999", "redis://:hush@a/x"),
        *("redis://:hush@a?db=3", "redis://:hush@a/3#x", "redis://:hush@[a", "unix://", "redis://:hu/sh@a"),
        *("REDIS://:hush@a", "redis::hush@a"),
    ],
)
def test_a_wrong_url_of_a_redis_is_refused_without_its_password(url):
    with pytest.raises(ConfigError, match=r"redis\.url: .* is not allowed: use redis://") as refusal:
        load(environ={"TOCSIN_REDIS_URL": url})
    assert "hush" not in str(refusal.value)
    assert "hu/sh" not in str(refusal.value)


@pytest.mark.parametrize(
    "url", ["redis+sentinel://:hush@a:26379/mymaster", "redis-sentinel://:hush@a:26379,b:26379/mymaster/0"]
)
def test_who_names_a_sentinel_is_told_that_it_is_not_supported(url):
    with pytest.raises(ConfigError, match="Sentinel is not supported, name the Redis itself") as refusal:
        load(environ={"TOCSIN_REDIS_URL": url})
    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("prefix", ["", "a b", "a*", "x" * 33, "{a}"])
def test_a_prefix_that_would_mean_other_keys_is_refused(prefix):
    with pytest.raises(ConfigError, match="use 1-32 letters, digits"):
        load({"redis.prefix": prefix}, {})


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://a:6379/3", "redis://a:6379/3"),
        ("redis://:hush@a", "redis://:********@a"),
        ("redis://me:hush@a:1", "redis://me:********@a:1"),
        ("redis://hush@a", "redis://********@a"),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_url_has_no_password(url, shown):
    assert SecretUrl(url).shown == shown
    assert "hush" not in repr(SecretUrl(url))
    text = effective(Config(redis=Redis(url=SecretUrl(url)))) if url else 'url = ""'
    assert f'url = "{shown}"' in text
    assert "hush" not in text


def test_a_password_that_should_have_been_written_otherwise_is_masked_all_the_same():
    assert SecretUrl("redis://me:hu/s@h@a:1").shown == "redis://me:********@a:1"


def test_a_masked_url_is_not_read_back_as_one():
    text = effective(Config(redis=Redis(url=SecretUrl("redis://:hush@a"))))
    assert '# url = "redis://:********@a"' in text


@pytest.mark.parametrize("address", ["0.0.0.0:3008", "[::]:3008", "192.168.1.4:3008", "alerts.example.com:3008"])
def test_plain_sockets_on_public_addresses_need_consent(address):
    assert "allow_public_bind = true" in refused(overrides={"ws": address})
    assert load({"ws": address, "allow_public_bind": True}, {}).ws == address


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.8.8.8:1", "[::1]:65535", "localhost:80"])
def test_loopback_addresses_need_none(address):
    assert load({"ws": address}, {}).ws_address.is_loopback


@pytest.mark.parametrize(
    "text", ["", ":80", "host", "host:", "host:65536", "host:-1", "host:1a", "::1:80", "[]:80", "h:\u0661"]
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


def test_a_host_is_written_into_urls_as_they_need_it():
    assert parse_address("[::1]:80").url_host == "[::1]"
    assert parse_address("localhost:80").url_host == "localhost"


def test_pages_of_the_http_address_may_always_connect():
    config = load({"gateway.origins": "https://a.example"}, {})
    assert config.origins(8080) == {"https://a.example", "http://127.0.0.1:8080", "http://localhost:8080"}
    public = load({"http": "10.1.1.1:80", "allow_public_bind": True}, {})
    assert public.origins(80) == {"http://10.1.1.1:80"}


def test_two_servers_may_both_ask_for_any_free_port():
    assert load({"ws": "127.0.0.1:0", "http": "127.0.0.1:0"}, {}).ws_address.port == 0


def test_a_short_secret_is_refused_and_never_shown(tmp_path):
    for text in (
        refused(environ={"TOCSIN_SECRET": "hunter2hunter2"}),
        refused(file=write(tmp_path, "secret = 'hunter2hunter2'\n")),
    ):
        assert "at least 32 bytes" in text
        assert "hunter2" not in text
    assert "4711" not in refused(file=write(tmp_path, "secret = 4711\n"))


def test_a_secret_does_not_show_in_any_text_of_the_configuration():
    config = Config(secret=Secret(GOOD_SECRET))
    for text in (repr(config), str(config), f"{config.secret}", effective(config)):
        assert "horse" not in text
    assert (repr(Secret()), hash(Secret("a")) == hash(Secret("a")), Secret("a") == "a") == ("Secret()", True, False)


def test_a_password_in_the_stores_url_is_masked(tmp_path):
    text = effective(Config(store="postgres://tocsin:hunter2@db.example/alerts"))
    assert '# store = "postgres://tocsin:********@db.example/alerts"' in text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hu/s@h@db:5432/t?a=b", "postgresql://u:*@db:5432/t?a=b"),
        ("mysql+x://u:hush@db/t", "mysql+x://u:*@db/t"),
        *((f"postgresql{slashes}u:hush@db/t", f"postgresql{slashes}u:*@db/t") for slashes in (":", ":/", ":///", "//")),
        ("postgresql:hush@db/t", "postgresql:*@db/t"),
        ("u:hush@db/t", "u:*@db/t"),
        ("postgresql://db/t?user=u&password=hush&a=b", "postgresql://db/t?user=u&password=*&a=b"),
        ("postgresql://u@db:5432/t", "postgresql://u@db:5432/t"),
        ("postgresql://db:5432/t", "postgresql://db:5432/t"),
        ("/var/lib/tocsin/t.db", "/var/lib/tocsin/t.db"),
    ],
)
def test_a_password_is_not_shown_of_a_stores_url_that_is_written_wrongly_either(url, shown):
    assert without_password(url, "*") == shown
    assert "hush" not in repr(Config(store=url))
    assert "hush" not in effective(Config(store=url))


@pytest.mark.parametrize(("given", "missing"), [("cert", "key"), ("key", "cert")])
def test_a_certificate_and_its_key_come_together_or_not_at_all(given, missing):
    assert f"tls.{given}: 'x.pem' is given without tls.{missing}: use both, or none" in refused(
        overrides={f"tls.{given}": "x.pem"}
    )


def test_with_tls_other_machines_may_connect_and_urls_say_so():
    tls = {"tls.cert": "server.pem", "tls.key": "server.key"}
    config = load({"ws": "0.0.0.0:3008", "http": "10.1.1.1:443", **tls}, {})
    assert (config.ws_scheme, config.http_scheme) == ("wss", "https")
    assert config.origins(443) == {"https://10.1.1.1:443"}
    assert (Config().ws_scheme, Config().http_scheme) == ("ws", "http")


MAIL = {"TOCSIN_NOTIFY_SMTP_HOST": "mail.example.com", "TOCSIN_NOTIFY_SMTP_SENDER": "alerts@example.com"}


def test_a_section_inside_a_section_is_read_from_files_and_variables(tmp_path: Path) -> None:
    file = tmp_path / "t.toml"
    file.write_text('[notify]\npublic_url = "https://a.example"\n[notify.smtp]\nhost = "old.example"\nport = 25\n')
    config = load(environ=MAIL, file=file)
    assert config.notify.public_url == "https://a.example"
    assert (config.notify.smtp.host, config.notify.smtp.port) == ("mail.example.com", 25)
    again = tmp_path / "again.toml"
    again.write_text(effective(config))
    assert load(environ={}, file=again) == config


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"TOCSIN_NOTIFY_SMTP_SENDER": ""}, "notify.smtp.sender: is missing"),
        ({"TOCSIN_NOTIFY_SMTP_SENDER": "nobody"}, "notify.smtp.sender: 'nobody' is not allowed: use an address"),
        ({"TOCSIN_NOTIFY_SMTP_USER": "ada"}, "notify.smtp.user: goes with notify.smtp.password"),
        (
            {
                "TOCSIN_NOTIFY_SMTP_USER": "ada",
                "TOCSIN_NOTIFY_SMTP_PASSWORD": "secret-word",
                "TOCSIN_NOTIFY_SMTP_SECURITY": "none",
            },
            "notify.smtp.security: 'none' would send the password in plain text",
        ),
        ({"TOCSIN_NOTIFY_PUBLIC_URL": "alerts.example.com"}, "use how a browser reaches this engine"),
        ({"TOCSIN_NOTIFY_PUBLIC_URL": "https://a.example/?x=1"}, "use how a browser reaches this engine"),
    ],
)
def test_settings_of_mail_that_cannot_work_are_refused(more: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(environ={**MAIL, **more})
    assert said in str(refused.value)
    assert "secret-word" not in str(refused.value)


def test_a_password_may_go_in_plain_text_to_this_very_machine() -> None:
    here = {"TOCSIN_NOTIFY_SMTP_HOST": "127.0.0.1", "TOCSIN_NOTIFY_SMTP_SECURITY": "none"}
    word = {"TOCSIN_NOTIFY_SMTP_USER": "ada", "TOCSIN_NOTIFY_SMTP_PASSWORD": "secret-word"}
    assert load(environ={**MAIL, **here, **word}).notify.smtp.user == "ada"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ([{"name": "a"}, {"name": "a"}], "schedules[1].name: two have the name 'a': use another"),
        ([{"name": "a", "cron": "0 2"}], "schedules[0].cron: '0 2' is not a cron line"),
        ([{"name": "a:b"}], "schedules[0].name: 'a:b' is not allowed: use 1-128 letters"),
        ([{"name": "a", "zone": "Mars"}], "schedules[0].zone: 'Mars' is not allowed: use a time zone"),
        ([{"name": "a", "workspace": "a:b"}], "schedules[0].workspace: 'a:b' is not allowed"),
        ([{"name": "a", "when": "soon"}], "schedules[0].when"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_refused_by_its_place(settings: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config(schedules=settings)
    assert said in str(refused.value)


def test_a_schedule_is_shown_as_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text('[[schedules]]\nname = "retention"\ncron = "0 4 * * *"\nmissed = "skip"\npaused = true\n')
    config = load({}, {}, file)
    file.write_text(effective(config))
    assert load({}, {}, file).schedules == config.schedules
