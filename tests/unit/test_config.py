"""The configuration: where values come from, which are refused, and what the operator is told."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.configuration.config import FIELDS, Config
from engine.configuration.fields import Address, ConfigError, Field, Secret, SecretUrl
from engine.configuration.folder import prepare_data_folder
from engine.configuration.settings import ALIASES, FILE_MAX_BYTES, effective, load, toml_value
from engine.sections.doors import Gateway
from engine.sections.watching import HOST_RULES
from tests.support.configured import GOOD_SECRET, refused, write


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


def test_the_effective_configuration_carries_the_reasons():
    text = effective(Config())
    assert all(f"# {field.description}\n" in text for field in FIELDS.values())


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
