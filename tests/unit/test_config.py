"""The configuration: where values come from, which are refused, and what the operator is told."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.configuration.config import FIELDS, Config
from engine.configuration.fields import Address, ConfigError, Field, Secret, SecretUrl, parse_address
from engine.configuration.folder import prepare_data_folder
from engine.configuration.settings import ALIASES, FILE_MAX_BYTES, effective, load, toml_value
from engine.configuration.store_urls import without_password
from engine.sections.cache import Redis
from engine.sections.doors import Gateway
from engine.sections.watching import HOST_RULES, Host
from protocol.model import Severity
from protocol.rules import ThresholdRule

GOOD_SECRET = "correct horse battery staple, twice over"


def write(folder: Path, text: str) -> Path:
    path = folder / "tocsin.toml"
    path.write_text(text)
    return path


def refused(**arguments) -> str:
    arguments.setdefault("environ", {})
    with pytest.raises(ConfigError) as caught:
        load(**arguments)
    return str(caught.value)


def test_without_any_source_the_defaults_hold():
    config = load(environ={})
    assert config == Config()
    assert (config.ws_address, config.http_address) == (Address("127.0.0.1", 3008), Address("127.0.0.1", 8080))
    assert config.store_url == "data/tocsin.db"
    assert (config.gateway.heartbeat_s, config.gateway.timeout_s) == (30, 60)
    assert config.rules == HOST_RULES


def test_every_setting_has_a_reason_and_a_unit_where_it_counts_something():
    for field in FIELDS.values():
        assert len(field.description) > 20, field.key
        if isinstance(field.default, float):
            assert field.name.endswith("_s"), field.key


def test_each_source_wins_over_the_one_before(tmp_path):
    path = write(tmp_path, "[gateway]\nheartbeat_s = 11\ntimeout_s = 91\nclose_s = 1\nauth_s = 4\n")
    environ = {"WS_HEARTBEAT_INTERVAL": "12000", "WS_TIMEOUT": "92000", "TOCSIN_GATEWAY_HEARTBEAT_S": "13"}
    gateway = load({"gateway.auth_s": 5, "gateway.close_s": None}, environ, path).gateway
    assert (gateway.heartbeat_s, gateway.timeout_s, gateway.close_s, gateway.auth_s) == (13, 92, 1, 5)


def test_variables_are_read_in_the_types_of_their_settings():
    config = load(
        environ={
            "TOCSIN_WATCH_HOST": "false",
            "TOCSIN_DATA": "/srv/tocsin",
            "TOCSIN_CHANNEL_MAILBOX_MAX": "7777",
            "TOCSIN_GATEWAY_ORIGINS": "https://a.example, https://b.example:8443",
            "TOCSIN_SECRET": GOOD_SECRET,
        }
    )
    assert config.watch_host is False
    assert config.data == Path("/srv/tocsin")
    assert config.channel.mailbox_max == 7_777
    assert config.gateway.origins == ("https://a.example", "https://b.example:8443")
    assert config.secret.reveal() == GOOD_SECRET.encode()


def test_the_process_environment_is_read_by_default(monkeypatch):
    monkeypatch.setenv("TOCSIN_WORKSPACE", "plant-7")
    assert load().workspace == "plant-7"


def test_an_empty_variable_counts_as_not_set():
    assert load(environ={"TOCSIN_SECRET": "", "NEXTAUTH_SECRET": "", "TOCSIN_GATEWAY_HEARTBEAT_S": ""}) == Config()


def test_the_references_variables_are_understood():
    config = load(environ={"NEXTAUTH_SECRET": GOOD_SECRET, "REDIS_HOST": "cache"})
    assert config.secret == Secret(GOOD_SECRET)
    assert config.redis.url == SecretUrl("redis://cache")
    assert all(key in FIELDS for key, _ in ALIASES.values())


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


def test_the_file_in_the_data_folder_is_found_without_being_named(tmp_path):
    write(tmp_path, 'workspace = "from-file"\n')
    assert load(environ={"TOCSIN_DATA": str(tmp_path)}).workspace == "from-file"
    assert load({"data": str(tmp_path)}, {}).workspace == "from-file"


def test_a_named_file_is_read_instead(tmp_path):
    write(tmp_path, 'workspace = "from-data"\n')
    other = tmp_path / "other.toml"
    other.write_text('workspace = "named"\n')
    assert load(environ={"TOCSIN_DATA": str(tmp_path), "TOCSIN_CONFIG": str(other)}).workspace == "named"
    assert load(environ={"TOCSIN_CONFIG": "/nowhere"}, file=other).workspace == "named"


def test_rules_in_a_file_replace_the_default_ones(tmp_path):
    path = write(tmp_path, '[[rules]]\nid = "r"\nframework = "f"\nmetric = "m"\nthreshold = 3\nseverity = "critical"\n')
    rule = ThresholdRule(id="r", framework="f", metric="m", threshold=3.0, severity=Severity.CRITICAL)
    assert load(environ={}, file=path).rules == (rule,)
    assert load(environ={}, file=write(tmp_path, "rules = []\n")).rules == ()


def test_a_wrong_value_in_a_file_names_key_value_what_is_allowed_and_the_file(tmp_path):
    path = write(tmp_path, "[gateway]\nheartbeat_s = -3\n")
    assert refused(file=path) == (
        f"gateway.heartbeat_s: -3 is not allowed: use a number from 1 to 3600 (set by {path}, key gateway.heartbeat_s)"
    )


def test_a_wrong_value_in_a_variable_names_the_variable():
    text = refused(environ={"TOCSIN_CHANNEL_BATCH_MAX": "many"})
    assert text == (
        "channel.batch_max: 'many' is not allowed: use a whole number from 1 to 10000 "
        "(set by the variable TOCSIN_CHANNEL_BATCH_MAX)"
    )


def test_a_wrong_value_on_the_command_line_says_so():
    assert refused(overrides={"ws": "localhost"}).endswith("IPv6 in brackets (set by the command line)")


def test_a_wrong_alias_names_the_alias():
    assert "use milliseconds (set by the variable WS_TIMEOUT)" in refused(environ={"WS_TIMEOUT": "60s"})
    assert "use a number from" in refused(environ={"WS_TIMEOUT": "nan"})
    assert "NEXTAUTH_SECRET" in refused(environ={"NEXTAUTH_SECRET": "short"})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"TOCSIN_GATEWAY_HEARTBEAT": "5"},
            "TOCSIN_GATEWAY_HEARTBEAT: is no setting; did you mean TOCSIN_GATEWAY_HEAR",
        ),
        ({"TOCSIN_WS_PORT": "3008"}, "TOCSIN_WS_PORT: is no setting"),
        ({"TOCSIN_LOG_LEVEL": "loud"}, "use one of debug, error, info, warning"),
        ({"TOCSIN_WATCH_HOST": "maybe"}, "use true or false"),
        ({"TOCSIN_RULES": "[]"}, "write them as [[rules]] into tocsin.toml"),
        ({"TOCSIN_WORKSPACE": "a:b"}, "workspace: 'a:b' is not allowed: use 1-128 letters"),
        ({"TOCSIN_HOST_FRAMEWORK": "../x"}, "host.framework: '../x' is not allowed"),
        ({"TOCSIN_GATEWAY_ORIGINS": "https://a.example/path"}, "use origins as browsers write them"),
        ({"TOCSIN_GATEWAY_ORIGINS": "*"}, "no *"),
        ({"TOCSIN_DATA": "."}, "use the path of a folder"),
        ({"TOCSIN_HTTP": "127.0.0.1:3008"}, "http: '127.0.0.1:3008' is not allowed: use another port"),
        ({"TOCSIN_GATEWAY_TIMEOUT_S": "30"}, "use more than gateway.heartbeat_s (30)"),
    ],
)
def test_what_cannot_be_is_refused_in_words(environ, said):
    assert said in refused(environ=environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gatway]\nheartbeat_s = 1\n", "gatway: is no setting; did you mean gateway?"),
        ("[gateway]\nheart_s = 1\n", "gateway.heart_s: is no setting; did you mean gateway.heartbeat_s?"),
        ("gateway = 5\n", "gateway: 5 is not allowed: use a table, [gateway]"),
        ("workspace = 5\n", "workspace: 5 is not allowed: use a text"),
        ("data = 5\n", "data: 5 is not allowed: use a text"),
        ("[gateway]\norigins = 'https://a.example'\n", "use a list of texts"),
        ("[gateway]\nheartbeat_s = nan\n", "use a number from"),
        ("[gateway]\nheartbeat_s = true\n", "True is not allowed: use a number from"),
        ("[[rules]]\nid = 'r'\n", "rules[0].framework: is missing: use a text of 1 to 128 characters"),
        ("rules = 5\n", "rules: 5 is not allowed: use tables, [[rules]]"),
        ("rules = [5]\n", "rules[0]: 5 is not allowed: use a table, [[rules]]"),
        ("oops", "is not TOML"),
        ("a = " + "[" * 5_000, "is not TOML"),
        ("# " + "x" * FILE_MAX_BYTES, "is larger than"),
    ],
)
def test_what_a_file_cannot_say_is_refused_in_words(tmp_path, text, said):
    assert said in refused(file=write(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("framework = '..'", "rules[1].framework: '..' is not allowed: use 1-128 letters"),
        ("workspace = 'a:b'", "rules[1].workspace: 'a:b' is not allowed: use 1-128 letters"),
        ("suppression_s = -1", "rules[1].suppression_s: -1 is not allowed: use a number from 0 to 2592000"),
        ("suppression_s = 'x'", "rules[1].suppression_s: 'x' is not allowed: use a finite number"),
        ("threshold = 'high'", "rules[1].threshold: 'high' is not allowed: use a finite number"),
        ("severity = 'loud'", "rules[1].severity: 'loud' is not allowed: use one of info, warning, error, critical"),
        ("comparison = '=>'", "rules[1].comparison: '=>' is not allowed: use one of >, >=, <, <=, ==, !="),
        ("enabled = 'yes'", "rules[1].enabled: 'yes' is not allowed: use true or false"),
        (f"title = '{'x' * 513}'", "is not allowed: use a text of 0 to 512 characters"),
        ("sverity = 'info'", "rules[1].sverity: is no setting; did you mean severity?"),
        ("id = 'first'", "rules[1].id: two rules have the id 'first': use another, ids are unique"),
    ],
)
def test_a_wrong_value_in_a_rule_names_rule_key_value_and_what_is_allowed(tmp_path, line, said):
    members = {"id": "'second'", "framework": "'f'", "metric": "'m'", "threshold": "1"}
    name, _, value = line.partition(" = ")
    second = "".join(f"{key} = {given}\n" for key, given in (members | {name: value}).items())
    first = "[[rules]]\nid = 'first'\nframework = 'f'\nmetric = 'm'\nthreshold = 3\n"
    text = refused(file=write(tmp_path, f"{first}[[rules]]\n{second}"))
    assert said in text
    assert text.endswith(f"(set by {tmp_path / 'tocsin.toml'}, key rules)")


def test_a_rule_may_name_its_workspace_and_its_window(tmp_path):
    text = "[[rules]]\nid = 'r'\nframework = 'f'\nmetric = 'm'\nthreshold = 3\nworkspace = 'w'\nsuppression_s = 7\n"
    (rule,) = load(environ={}, file=write(tmp_path, text)).rules
    assert (rule.workspace, rule.suppression_s) == ("w", 7)


def test_the_rules_of_a_configuration_made_by_hand_are_checked_as_well():
    with pytest.raises(ConfigError, match=r"rules\[0\]\.threshold: nan is not allowed: use a finite number"):
        Config(rules=(ThresholdRule(id="r", framework="f", metric="m", threshold=float("nan")),))


def test_the_default_rules_follow_the_host_when_it_is_renamed():
    config = load(environ={"TOCSIN_HOST_FRAMEWORK": "plant-7"})
    assert {rule.framework for rule in config.rules} == {"plant-7"}
    assert [rule.id for rule in config.rules] == [rule.id for rule in HOST_RULES]


def test_rules_that_somebody_wrote_stay_as_they_are_when_the_host_is_renamed():
    rule = ThresholdRule(id="r", framework="host", metric="m", threshold=3.0)
    assert Config(host=Host(framework="plant-7"), rules=(rule,)).rules == (rule,)


@pytest.mark.parametrize("name", ["heartbeat_s", "timeout_s", "auth_s", "message_s", "position_s"])
def test_what_is_looked_after_once_a_second_cannot_be_asked_for_more_often(name):
    assert f"gateway.{name}: 0.9 is not allowed: use a number from 1 to" in refused(overrides={f"gateway.{name}": 0.9})


def test_an_empty_name_of_a_file_does_not_mean_the_usual_file():
    assert "cannot be read" in refused(file="")


def test_no_setting_speaks_of_a_page_that_there_is_not():
    assert [key for key, field in FIELDS.items() if re.search(r"\b(the|our own) page", field.description)] == []


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    assert "cannot be read: No such file or directory" in refused(file=tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    assert "is not TOML" in refused(file=binary)


@pytest.mark.parametrize(
    ("folder", "why"),
    [("/sys", "Permission denied"), ("/proc/nope", "No such file or directory"), ("/dev/null", "it is")],
)
def test_a_data_folder_that_cannot_be_used_is_named_with_a_remedy(folder, why):
    # Whoever runs the tests may be root: these refuse root as well.
    for config in (Config(data=Path(folder)), Config(data=Path(folder), secret=Secret(GOOD_SECRET))):
        with pytest.raises(ConfigError) as caught:
            prepare_data_folder(config)
        assert caught.value.key == "data"
        assert str(caught.value).startswith(f"data: '{folder}' cannot be used ({why}")
        assert str(caught.value).endswith("use a folder that this user may write, --data or TOCSIN_DATA")


def test_a_data_folder_whose_name_cannot_be_is_told_as_such():
    assert refused(environ={"TOCSIN_DATA": "x" * 300}).startswith("data: 'xxx")


def test_the_data_folder_is_made_for_its_owner_only_and_left_empty(tmp_path):
    folder = tmp_path / "new" / "data"
    for _ in range(2):
        prepare_data_folder(Config(data=folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.iterdir()) == []


def test_an_engine_that_keeps_nothing_in_its_data_folder_does_not_touch_it(tmp_path):
    prepare_data_folder(Config(data=tmp_path / "none", store="memory:", secret=Secret(GOOD_SECRET)))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_override_is_refused_with_the_nearest_name():
    assert refused(overrides={"gateway.heartbeat": 1}).startswith(
        "gateway.heartbeat: is no setting; did you mean gateway.heartbeat_s?"
    )


def test_variables_that_kubernetes_or_our_client_commands_use_are_left_alone():
    environ = {
        "TOCSIN_SERVICE_HOST": "10.0.0.1",
        "TOCSIN_SERVICE_PORT": "8080",
        "TOCSIN_SERVICE_PORT_HTTP": "8080",
        "TOCSIN_STORE_SERVICE_HOST": "10.0.0.2",
        "TOCSIN_PORT": "tcp://10.0.0.1:8080",
        "TOCSIN_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "TOCSIN_PORT_8080_TCP_ADDR": "10.0.0.1",
        "TOCSIN_TOKEN": "x",
        "TOCSIN_API": "http://127.0.0.1:8080",
        "TOCSIN_URL": "ws://127.0.0.1:3008",
    }
    assert load(environ=environ) == Config()


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


def test_a_configuration_made_by_hand_is_checked_as_well():
    with pytest.raises(ConfigError, match=r"gateway\.fragments_max: 0 is not allowed: use a whole number from 1 to"):
        Config(gateway=Gateway(fragments_max=0))
    with pytest.raises(ConfigError, match="heartbeat"):
        msgspec.structs.replace(Config(), gateway=Gateway(heartbeat_s=100))


def test_the_effective_configuration_is_a_file_that_says_the_same(tmp_path):
    config = load(
        {
            "workspace": "büro 7",
            "gateway.origins": "https://a.example",
            "gateway.heartbeat_s": 1.25,
            "store": 'x\x7f"\\',
        },
        {},
    )
    assert load(environ={}, file=write(tmp_path, effective(config))) == config


def test_the_effective_configuration_says_when_there_are_no_rules(tmp_path):
    config = Config(rules=())
    assert load(environ={}, file=write(tmp_path, effective(config))) == config


def test_the_effective_configuration_carries_the_reasons():
    text = effective(Config())
    assert all(f"# {field.description}\n" in text for field in FIELDS.values())


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


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_toml(text):
    assert tomllib.loads(f"a = {toml_value(text)}") == {"a": text}


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=30))
def test_any_text_in_any_variable_is_taken_or_refused_with_its_name(key, text):
    field: Field = FIELDS[key]
    try:
        load(environ={field.variable: text})
    except ConfigError as fault:
        assert field.variable in str(fault) or fault.key == key


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


def test_a_watchdog_shows_where_the_loop_hangs_before_it_ends_the_process():
    said = refused(overrides={"watchdog.stall_s": 15})
    assert "watchdog.exit_s: 15 is not allowed: use more than watchdog.stall_s (15)" in said


def test_a_mailbox_holds_at_least_one_request():
    with pytest.raises(ConfigError, match=r"channel\.mailbox_max: 999 is not allowed"):
        load({"channel.mailbox_max": 999}, environ={})


def test_a_soft_bound_above_the_hard_one_is_refused():
    with pytest.raises(
        ConfigError,
        match=r"gateway\.outbox_soft_bytes: 262144 is not allowed: use at most gateway\.outbox_max_bytes \(100000\)",
    ):
        load({"gateway.outbox_max_bytes": 100_000}, environ={})


def test_a_stop_that_would_take_longer_than_promised_is_refused():
    with pytest.raises(ConfigError, match=r"gateway\.drain_s: 9 is not allowed: use at most 10"):
        Config(gateway=Gateway(drain_s=9.0, close_s=2.0))


def test_a_default_that_does_not_go_with_a_setting_names_who_set_that():
    said = refused(environ={"TOCSIN_GATEWAY_CLOSE_S": "3"})
    assert said.endswith("(set by default, gateway.close_s by the variable TOCSIN_GATEWAY_CLOSE_S)")


def test_a_rule_may_say_of_which_kind_it_is(tmp_path):
    rule = '[[rules]]\nid = "hot"\nframework = "f"\nmetric = "m"\nthreshold = 1.0\nkind = '
    assert load(environ={}, file=write(tmp_path, rule + '"threshold"')).rules[0].id == "hot"
    said = refused(file=write(tmp_path, rule + '"magic"'))
    assert "rules[0].kind: 'magic' is not allowed: use threshold" in said


def test_a_file_may_have_rules_of_every_kind_and_the_effective_one_says_the_same(tmp_path):
    text = """
[[rules]]
kind = "milestone"
id = "sales"
framework = "shop"
metric = "orders"
goals = [100, 1000]
is_cumulative = true

[[rules]]
kind = "performance"
id = "slow"
framework = "shop"
metric = "latency_ms"
threshold = 500
percentile = 99.0
schedule = {start = "08:00", end = "18:00", days = ["mon", "fri"], zone = "Europe/Berlin"}
labels = {team = "shop", "odd name" = "x"}

[[rules]]
kind = "anomaly"
id = "odd"
framework = "shop"
metric = "orders"

[[rules]]
id = "plain"
framework = "shop"
metric = "orders"
threshold = 5
"""
    config = load(environ={}, file=write(tmp_path, text))
    kinds = [rule.__struct_config__.tag for rule in config.rules]
    assert kinds == ["milestone", "performance", "anomaly", "threshold"]
    assert config.rules[1].schedule.days == ("mon", "fri")
    assert load(environ={}, file=write(tmp_path, effective(config))).rules == config.rules


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind = 'milestone'\ngoals = ['a']", "rules[0].goals: ['a'] is not allowed: use a list of numbers"),
        ("kind = 'milestone'\nthreshold = 3", "rules[0].threshold: is no setting; did you mean"),
        ("kind = 'anomaly'\nschedule = 5", "rules[0].schedule: 5 is not allowed: use a table"),
        ("kind = 5", "rules[0].kind: 5 is not allowed: use threshold, anomaly, performance, milestone"),
        ("threshold = 90\nrecovery = 95", "rules[0].recovery: "),
    ],
)
def test_a_mistake_in_a_rule_of_any_kind_is_named(tmp_path, text, complaint):
    first = "[[rules]]\nid = 'r'\nframework = 'f'\nmetric = 'm'\n"
    assert complaint in refused(file=write(tmp_path, first + text + "\n"))


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
