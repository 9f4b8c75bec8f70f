"""
Container files, compose and Kubernetes manifests.

They are valid, pinned and without secrets, and their `orch` commands parse.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml

from streams.cli.command import SharedOptions
from streams.cli.main import orch
from streams.cli.worker import STAGES
from streams.settings import build_policy, load_config

from ...conftest import ROOT

INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"
KUBERNETES = INFRA / "kubernetes"
FILES = sorted([COMPOSE, INFRA / "Dockerfile", *KUBERNETES.iterdir()])

OLDEST, NEWEST = "1.29", "1.37"
"""Versions of Kubernetes whose schemas the manifests keep."""

SECRET = re.compile(r"(?i)(_key|password|token|secret)[\"']?\s*[:=]\s*(?!false)[\"']?[^\s\"']|sk-\w|PRIVATE KEY")
"""A name of something secret with a value, or what a key looks like."""

compose: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
resources: list[dict[str, Any]] = [
    resource for path in sorted(KUBERNETES.glob("*.yaml")) for resource in yaml.safe_load_all(path.read_text("utf-8"))
]
every_resource = pytest.mark.parametrize(
    "resource", resources, ids=lambda one: f"{one['kind']} {one['metadata']['name']}"
)


def pods() -> dict[str, dict[str, Any]]:
    """Give the pod template of each resource that has one, by kind and name."""
    return {
        f"{one['kind']} {one['metadata']['name']}": one["spec"]["template"]
        for one in resources
        if "template" in one.get("spec", {})
    }


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every container of every pod, and where it is."""
    for place, pod in pods().items():
        for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield f"{place}: {one['name']}", one


def commands() -> dict[str, list[str]]:
    """Give the arguments of every `orch` that is run anywhere, by where that is."""
    found = {f"compose: {name}": one["command"] for name, one in compose["services"].items() if "command" in one}
    return {**found, **{place: one["args"] for place, one in containers()}}


def images() -> list[str]:
    """List every image that is named anywhere."""
    built = re.findall(r"^FROM (\S+)", (INFRA / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    return [*built, *(one["image"] for one in compose["services"].values()), *(one["image"] for _, one in containers())]


def parse(arguments: list[str]) -> click.Context:
    """Parse a command line as `orch` does, without running anything."""
    with click.Context(orch, info_name="orch", obj=SharedOptions()) as outer:
        _, rest, _ = orch.make_parser(outer).parse_args(list(arguments))
        name, command, rest = orch.resolve_command(outer, rest)
        assert command is not None
        return command.make_context(name, rest, parent=outer)


@pytest.mark.parametrize("arguments", commands().values(), ids=list(commands()))
def test_command_parses(arguments: list[str]) -> None:
    """Each list of arguments is one that `orch` takes."""
    assert all(isinstance(argument, str) for argument in arguments)
    parse(arguments)


@pytest.mark.parametrize("wrong", [["worker", "rout"], ["topics", "make"], ["worker"], ["wroker", "all"]])
def test_wrong_command_is_caught(wrong: list[str]) -> None:
    """The parsing above fails where a command would."""
    with pytest.raises(click.UsageError):
        parse(wrong)


@pytest.mark.parametrize("where", ["compose", "Kubernetes"])
def test_every_stage_is_run_once(where: str) -> None:
    """The workers of a deployment are all stages, each in one place; topics and policy come before them."""
    chosen = {
        place: parse(arguments)
        for place, arguments in commands().items()
        if place.startswith("compose") is (where == "compose")
    }
    stages = [stage for context in chosen.values() for stage in context.params.get("stages", ())]
    assert sorted(stages) == sorted(set(STAGES) - {"all"})
    assert {(one.info_name, one.params.get("action")) for one in chosen.values() if "stages" not in one.params} == {
        ("topics", "create"),
        ("policy", "adopt"),
    }


def test_workers_have_time_to_stop() -> None:
    """What a worker takes to stop is less than it is given, and only stages that fold keep copies of states."""
    seen = 0
    for place, pod in pods().items():
        for one in pod["spec"]["containers"]:
            context = parse(one["args"])
            if context.info_name == "worker":
                seen += 1
                assert pod["spec"]["terminationGracePeriodSeconds"] > context.params["grace"] + 5, place
                mounted = [mount["mountPath"] for mount in one["volumeMounts"]]
                state = context.params["state"]
                assert state in mounted if "route" in context.params["stages"] else state == "-", place
    assert seen == 3


def test_compose_file_is_valid() -> None:
    """The compose file keeps the schema of the Compose Specification."""
    # By its place: the command that comes with it wants another click than the libraries of the extra `kafka` do.
    name = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(Path(str(distribution("check-jsonschema").locate_file(name))).read_bytes())
    jsonschema.Draft202012Validator(schema).validate(compose)
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        named = [volume.partition(":")[0] for volume in service.get("volumes", ())]
        assert set(named) <= set(compose["volumes"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@every_resource
def test_manifest_is_valid(resource: dict[str, Any], version: str) -> None:
    """Each resource keeps the strict schema of the oldest and of the newest Kubernetes."""
    assert kubernetes_validate.validate(resource, version, strict=True) == version


def test_invalid_manifest_is_caught() -> None:
    """The validation above fails where a field is unknown."""
    wrong = {**resources[0], "spce": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, NEWEST, strict=True)


@every_resource
def test_names_in_a_manifest_fit(resource: dict[str, Any]) -> None:
    """Resources live in the namespace, and selectors select the pods that are meant."""
    name = resource["metadata"]["name"]
    if resource["kind"] == "Namespace":
        return
    assert resource["metadata"]["namespace"] == "orch"
    selector = resource.get("spec", {}).get("selector")
    if selector is not None:
        wanted: Mapping[str, str] = selector.get("matchLabels", selector)
        selected = [place for place, pod in pods().items() if wanted.items() <= pod["metadata"]["labels"].items()]
        assert [place.partition(" ")[2] for place in selected] == [name]


def test_manifests_name_what_there_is() -> None:
    """Each config map, volume and mount that a pod names exists; the secret is only named."""
    maps = {one["metadata"]["name"] for one in resources if one["kind"] == "ConfigMap"}
    assert not [one for one in resources if one["kind"] == "Secret"]
    for place, pod in pods().items():
        volumes = {one["name"] for one in pod["spec"]["volumes"]}
        volumes |= {
            claim["metadata"]["name"]
            for one in resources
            for claim in one.get("spec", {}).get("volumeClaimTemplates", ())
        }
        assert {one["configMap"]["name"] for one in pod["spec"]["volumes"] if "configMap" in one} <= maps, place
        for one in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            assert {mount["name"] for mount in one["volumeMounts"]} <= volumes, place
    for place, one in containers():
        sources = [source.get("configMapRef", source.get("secretRef"))["name"] for source in one["envFrom"]]
        assert sources == ["orch", "orch-secrets"], place


def test_pods_are_confined() -> None:
    """Pods keep the restricted Pod Security Standard, with a read-only root, and say what they need."""
    for place, pod in pods().items():
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"], place
        assert security["runAsUser"] > 0, place
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, place
        assert pod["spec"]["automountServiceAccountToken"] is False, place
    for place, one in containers():
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, place
        assert set(one["resources"]["requests"]) == {"cpu", "memory"}, place
        assert "memory" in one["resources"]["limits"], place


def test_workers_survive_disruptions_one_by_one() -> None:
    """What runs more than once has a disruption budget, and what runs once has none to block a drain."""
    several = {one["metadata"]["name"] for one in resources if one.get("spec", {}).get("replicas", 1) > 1}
    assert several == {one["metadata"]["name"] for one in resources if one["kind"] == "PodDisruptionBudget"} != set()


def test_configuration_is_one_that_orch_takes(tmp_path: Path) -> None:
    """The orch.toml in the config map is a policy."""
    (text,) = (one["data"]["orch.toml"] for one in resources if "orch.toml" in one.get("data", {}))
    (tmp_path / "orch.toml").write_text(text)
    policy = build_policy(load_config(tmp_path / "orch.toml", required=True), "2026-01-01T00:00:00Z")
    assert policy.agents


def test_images_are_pinned() -> None:
    """Each image has a version in full, ours that of the project."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert images()
    for image in images():
        name, _, tag = image.rpartition(":")
        assert re.match(r"\d+\.\d+\.\d+", tag), image
        assert not name.endswith("orch") or tag == version, image


def test_image_runs_as_nobody_in_particular() -> None:
    """The image installs everything, runs as a numbered user, and its entry point is the command."""
    lines = (INFRA / "Dockerfile").read_text("utf-8").splitlines()
    (user,) = (line.split()[1] for line in lines if line.startswith("USER "))
    assert user == "10001:10001"
    assert 'ENTRYPOINT ["orch"]' in lines
    assert any("'.[all]'" in line for line in lines)
    (uid,) = {pod["spec"]["securityContext"]["runAsUser"] for pod in pods().values()}
    assert user.startswith(f"{uid}:")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_secret_is_in_a_file(path: Path) -> None:
    """No file gives a key, password or token a value."""
    assert not [line for line in path.read_text("utf-8").splitlines() if SECRET.search(line)]


@pytest.mark.parametrize("line", ["OPENAI_API_KEY: abc", "ORCH_KAFKA_PASSWORD=x", "password: 'x'", 'api_token = "x"'])
def test_secret_is_caught(line: str) -> None:
    """The search above finds what it is for."""
    assert SECRET.search(line)
