"""The compose file and the collector's configuration agree with the settings, the commands and the files beside them.

No container engine is needed: what can be wrong without one is checked here.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
COLLECTOR: dict[str, Any] = yaml.safe_load((ROOT / "deploy/otel/collector.yaml").read_text())
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()

ONE_SHOT = {"topics", "schema"}
CANNOT_BE_ASKED = {"collector"}
"""Services whose image holds no program that could ask them how they are."""

STAGES = {"decode", "aggregate", "evaluate", "scores", "watch", "sink"}
SECRET = re.compile(r"\$\{[A-Z_]+:\?[^}]+\}")


def mounts() -> list[tuple[str, str]]:
    """(service, source) of every file or folder of ours a service sees."""
    found = [(name, volume.split(":")[0]) for name, service in SERVICES.items() for volume in service.get("volumes", [])]
    return [(name, source) for name, source in found if source.startswith(".")]


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned(name: str) -> None:
    tag = SERVICES[name]["image"].partition(":")[2]
    assert re.fullmatch(r"\d+(\.\d+)+", tag)


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_service_is_restarted_and_says_how_it_is(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    assert ("healthcheck" in SERVICES[name]) == (name not in CANNOT_BE_ASKED)


@pytest.mark.parametrize("name", sorted(STAGES))
def test_stage_answers_for_itself_alone(name: str) -> None:
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    assert (kind, command) == ("CMD", ["tailrace", "healthy"])
    seconds = {key: float(SERVICES[name]["healthcheck"][key].removesuffix("s")) for key in ("interval", "timeout")}
    assert seconds["timeout"] < seconds["interval"]


@pytest.mark.parametrize("name", SERVICES)
def test_condition_can_be_met(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[other]
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert other in ONE_SHOT


@pytest.mark.parametrize("name", SERVICES)
def test_only_loopback_is_published(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_settings_exist_and_are_accepted(name: str) -> None:
    given = {key: value for key, value in SERVICES[name].get("environment", {}).items() if key.startswith("TAILRACE_")}
    fields = {key.removeprefix("TAILRACE_").lower(): value for key, value in given.items()}
    assert set(fields) <= set(Settings.model_fields)
    unset = {key: re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", value) for key, value in fields.items()}
    Settings.model_validate(unset)


@pytest.mark.parametrize("name", SERVICES)
def test_passwords_have_no_default(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if "PASSWORD" in key:
            assert SECRET.fullmatch(value)
        if "DSN" in key:
            assert SECRET.search(value)


@pytest.mark.parametrize(("name", "source"), mounts())
def test_mounted_path_exists(name: str, source: str) -> None:
    assert (ROOT / source).exists()


def test_volumes_are_declared_and_used() -> None:
    named = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {volume for volume in named if not volume.startswith(".")} == set(COMPOSE["volumes"])


def test_every_stage_runs_from_our_image() -> None:
    ours = {name for name, service in SERVICES.items() if "build" in service}
    assert ours == STAGES | ONE_SHOT
    assert all(SERVICES[name]["command"] == ["run", name] for name in STAGES)
    assert (ROOT / SERVICES["decode"]["build"]["dockerfile"]).is_file()


def test_clickhouse_users_and_compose_name_the_same_passwords() -> None:
    users = (ROOT / "deploy/clickhouse/users.xml").read_text()
    wanted = set(re.findall(r'from_env="(\w+)"', users))
    assert wanted <= set(SERVICES["clickhouse"]["environment"])
    assert f"<{SERVICES['clickhouse']['environment']['CLICKHOUSE_USER']}>" in users


def test_grafana_reads_as_the_reader() -> None:
    provisioned = yaml.safe_load((ROOT / "grafana/provisioning/datasources/clickhouse.yaml").read_text())
    source = provisioned["datasources"][0]
    given = SERVICES["grafana"]["environment"]
    assert source["jsonData"]["username"] == "grafana"
    assert source["jsonData"]["host"].removeprefix("$") in given
    assert source["secureJsonData"]["password"].removeprefix("$") in given
    boards = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/tailrace.yaml").read_text())
    assert f"./grafana/dashboards:{boards['providers'][0]['options']['path']}:ro" in SERVICES["grafana"]["volumes"]


def test_collector_writes_what_decode_reads() -> None:
    defaults = Settings.model_fields
    exporter = COLLECTOR["exporters"]["kafka"]
    assert (
        exporter["traces"]["topic"] == defaults["otlp_topic"].default == SERVICES["decode"]["environment"]["TAILRACE_OTLP_TOPIC"]
    )
    assert exporter["traces"]["encoding"] == "otlp_proto"
    assert defaults["otlp_encoding"].default in {"auto", "protobuf"}
    assert exporter["producer"]["max_message_bytes"] < defaults["max_record_bytes"].default


def test_collector_pipelines_name_what_is_configured() -> None:
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(COLLECTOR[part])
    assert set(COLLECTOR["service"]["extensions"]) <= set(COLLECTOR["extensions"])


def test_image_copies_what_exists() -> None:
    copied = [line.split()[1:-1] for line in DOCKERFILE.splitlines() if re.match(r"COPY (?!--from)", line)]
    for source in (part for parts in copied for part in parts):
        assert (ROOT / source).exists(), source


@pytest.mark.parametrize("name", sorted(STAGES | ONE_SHOT))
def test_command_exists(name: str) -> None:
    line = [sys.executable, "-m", "pipeline", *SERVICES[name]["command"], "--help"]
    asked = subprocess.run(line, cwd=ROOT, capture_output=True, check=False)
    assert asked.returncode == 0, asked.stderr.decode()


def test_image_is_warmed_by_its_example() -> None:
    (line,) = (line for line in DOCKERFILE.splitlines() if line.startswith("RUN python /tmp/warm.py"))
    example = ROOT / "schemas/examples/otlp_spans" / Path(line.split()[-1]).name
    warmed = subprocess.run(
        [sys.executable, ROOT / "deploy/warm.py", example],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert warmed.returncode == 0, warmed.stderr.decode()
