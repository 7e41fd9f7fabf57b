"""What is in `deploy/` fits the program: every setting, port, path, metric and time that it names is one of ours."""

from __future__ import annotations

import configparser
import re

import pytest
import yaml

from engine.configuration.settings import CLIENT_VARIABLES, load
from engine.doctor.network import DESCRIPTORS_BESIDE
from engine.doctor.redis_server import POLICY
from engine.sections.doors import Api, Gateway
from tests.support.engines import ROOT
from tests.support.pages import (
    VARIABLE,
    is_command,
    missing_commands,
    missing_files,
    missing_metrics,
    missing_settings,
    variables,
)
from tocsin.commands.serve import DRAIN_MAX_S

DEPLOY = ROOT / "deploy"
TEXTS = {path.relative_to(DEPLOY).as_posix(): path.read_text() for path in sorted(DEPLOY.rglob("*")) if path.is_file()}
# Read by `tocsin migrate` alone, and no setting.
OTHERS = frozenset({"TOCSIN_APP_PASSWORD"})
COMPOSE = yaml.safe_load(TEXTS["compose.yaml"])
KUBERNETES = {
    (each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(TEXTS["kubernetes/tocsin.yaml"])
}
GROUPS = yaml.safe_load(TEXTS["prometheus/tocsin.rules.yml"])["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
PAGE = (ROOT / "docs" / "operations.md").read_text()
# One line may be for two of them.
HEADS = re.findall(r"^\| (`Tocsin\w+`(?:, `Tocsin\w+`)*) \|", PAGE, re.MULTILINE)
ALARMS = {name.strip("`") for head in HEADS for name in head.split(", ")}


@pytest.mark.parametrize("name", TEXTS)
def test_every_variable_setting_and_metric_that_a_file_names_is_ours(name: str) -> None:
    assert missing_settings(TEXTS[name], OTHERS) == []
    assert missing_metrics(TEXTS[name]) == []
    assert missing_commands(TEXTS[name]) == []


def filled(settings: dict[str, str]) -> dict[str, str]:
    """With something in the place of what people are asked to replace."""
    return {
        name: re.sub(r"\$\{\w+:\?[^}]*\}", "x" * 64, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text))
        for name, text in settings.items()
    }


def test_the_settings_of_compose_and_kubernetes_are_ones_that_an_engine_takes() -> None:
    node = COMPOSE["services"]["node-1"]["environment"]
    assert load({}, filled(node)).gateway.trusted_proxies == ("172.31.77.0/24",)
    there = KUBERNETES["ConfigMap", "tocsin"]["data"] | KUBERNETES["Secret", "tocsin"]["stringData"]
    config = load({}, there)
    assert (config.ws, config.http, config.watch_host) == ("0.0.0.0:3008", "0.0.0.0:8080", False)
    load({}, dict(re.findall(r"^ +(TOCSIN_\w+)=(\S+)", TEXTS["Dockerfile"], re.MULTILINE)))


def test_what_is_secret_is_in_no_config_map_and_nodes_never_hold_the_owners_password() -> None:
    assert not set(KUBERNETES["ConfigMap", "tocsin"]["data"]) & set(KUBERNETES["Secret", "tocsin"]["stringData"])
    (container,) = KUBERNETES["Deployment", "tocsin"]["spec"]["template"]["spec"]["containers"]
    assert [each["secretRef"]["name"] for each in container["envFrom"] if "secretRef" in each] == ["tocsin"]
    node = COMPOSE["services"]["node-1"]["environment"]
    assert "POSTGRES_PASSWORD" not in str(node)
    example = set(re.findall(r"^(\w+)=", TEXTS["compose.env.example"], re.MULTILINE))
    assert set(re.findall(r"\$\{(\w+)", TEXTS["compose.yaml"])) == example


def test_a_stop_has_the_time_that_a_drain_takes() -> None:
    pod = KUBERNETES["Deployment", "tocsin"]["spec"]["template"]["spec"]
    pause_s = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause_s + DRAIN_MAX_S
    assert int(COMPOSE["services"]["node-1"]["stop_grace_period"].rstrip("s")) > DRAIN_MAX_S
    assert int(unit()["Service"]["TimeoutStopSec"]) > DRAIN_MAX_S


def test_probes_budget_and_service_of_kubernetes_mean_the_same_pods_and_ports() -> None:
    deployment = KUBERNETES["Deployment", "tocsin"]["spec"]
    labels, (container,) = deployment["template"]["metadata"]["labels"], deployment["template"]["spec"]["containers"]
    assert deployment["selector"]["matchLabels"] == labels
    assert KUBERNETES["PodDisruptionBudget", "tocsin"]["spec"]["selector"]["matchLabels"] == labels
    service = KUBERNETES["Service", "tocsin"]["spec"]
    assert service["selector"] == labels
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {port["name"]: port["port"] for port in service["ports"]} == {"ws": 3008, "http": 8080}
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {probe["port"] for probe in probes.values()} == {"http"}


def test_nobody_in_a_container_is_root_or_may_become_it() -> None:
    for kind, name in (("Deployment", "tocsin"), ("Job", "tocsin-migrate-0.1.0")):
        pod = KUBERNETES[kind, name]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert re.search(r"^USER 10001$", TEXTS["Dockerfile"], re.MULTILINE)
    assert COMPOSE["services"]["node-1"]["cap_drop"] == ["ALL"]


def test_the_redis_of_compose_is_as_the_doctor_wants_it() -> None:
    line = COMPOSE["services"]["redis"]["command"]
    assert line[line.index("--maxmemory-policy") + 1] == POLICY
    assert "--maxmemory" in line


def test_nobody_takes_the_postgres_that_only_makes_the_database_for_the_one_that_stays() -> None:
    # The image runs it on its socket alone.
    assert "--host=127.0.0.1" in COMPOSE["services"]["postgres"]["healthcheck"]["test"]


def test_the_image_is_made_of_what_is_in_the_checkout() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", TEXTS["Dockerfile"], re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    kept = set(re.findall(r"^!(\S+)", TEXTS["Dockerfile.dockerignore"], re.MULTILINE))
    assert kept == set(sources)
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "docs"}
    assert packages <= set(sources)


def locked(name: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


def test_what_the_containers_start_is_our_command() -> None:
    (container,) = KUBERNETES["Deployment", "tocsin"]["spec"]["template"]["spec"]["containers"]
    for arguments in (COMPOSE["services"]["node-1"]["command"], container["args"]):
        assert is_command(" ".join(["tocsin", *(word for word in arguments if not word.isdecimal())])), arguments
    assert is_command("tocsin " + " ".join(COMPOSE["services"]["migrate"]["command"]))


def test_the_image_has_what_the_tests_were_run_with() -> None:
    nodes = locked("nodes.lock")
    assert locked("run.lock") < nodes < locked("dev.lock")
    assert {line.partition("==")[0] for line in nodes} >= {"asyncpg", "greenlet", "redis"}


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read_string(TEXTS["systemd/tocsin.service"])
    return parser


def test_the_unit_starts_our_command_with_descriptors_for_all_its_clients() -> None:
    service = unit()["Service"]
    words = service["ExecStart"].removeprefix("/opt/tocsin/bin/").split()
    assert is_command(" ".join(word for word in words if not word.startswith("/") and not word.isdecimal()))
    assert int(service["LimitNOFILE"]) >= Gateway().connections_max + Api().connections_max + DESCRIPTORS_BESIDE
    assert service["RestartPreventExitStatus"] == "2"


def test_every_alarm_has_its_line_in_the_runbook_and_every_line_its_alarm() -> None:
    assert {rule["alert"] for rule in RULES} == ALARMS
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


def test_the_page_for_operators_names_nothing_that_is_not_there() -> None:
    assert missing_settings(PAGE, OTHERS | CLIENT_VARIABLES) == []
    assert missing_metrics(PAGE) == []
    assert missing_commands(PAGE) == []
    assert missing_files(PAGE) == []


def test_the_checks_of_this_file_see_what_is_wrong() -> None:
    assert VARIABLE.findall("TOCSIN_NOTHING_S") == ["TOCSIN_NOTHING_S"]
    assert missing_settings("TOCSIN_NOTHING_S: 1", OTHERS) == ["TOCSIN_NOTHING_S"]
    assert "TOCSIN_GATEWAY_HEARTBEAT_S" in variables()
