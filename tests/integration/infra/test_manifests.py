"""
Container files, compose and Kubernetes manifests.

They are valid, and their `orch` commands parse.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import click
import jsonschema
import kubernetes_validate
import pytest
import yaml

from streams.app.doctor.installation import VARIABLES
from streams.cli.command import SharedOptions
from streams.cli.main import orch
from streams.cli.worker import STAGES
from streams.runtimes.kafka.client.connection import Connection, security_from
from streams.runtimes.kafka.client.consumer_lag import GROUPS
from streams.settings import build_policy, load_config
from streams.topology import QUESTION_PARTITIONS

from ...conftest import ROOT

INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"
KUBERNETES = INFRA / "kubernetes"
BASE = KUBERNETES / "base"
SYSTEMD = INFRA / "systemd"
OLDEST, NEWEST = "1.29", "1.37"
"""Versions of Kubernetes whose schemas the manifests keep."""

METRICS_PORT = 9464

KEDA_TRIGGER = {
    "bootstrapServers", "consumerGroup", "topic", "lagThreshold", "activationLagThreshold", "offsetResetPolicy",
    "allowIdleConsumers", "excludePersistentLag", "limitToPartitionsWithLag", "version", "sasl", "tls",
}  # fmt: skip
"""Fields of a trigger of kind kafka (https://keda.sh/docs/2.16/scalers/apache-kafka/)."""
KEDA_SECRETS = {"sasl", "tls", "username", "password", "ca", "cert", "key", "keyPassword"}

compose: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
kustomization: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text("utf-8"))
resources: list[dict[str, Any]] = [
    resource for name in kustomization["resources"] for resource in yaml.safe_load_all((BASE / name).read_text("utf-8"))
]
keda: list[dict[str, Any]] = list(yaml.safe_load_all((KUBERNETES / "keda" / "agents.yaml").read_text("utf-8")))
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
    assert "namespace" not in resource["metadata"], "the kustomization gives it"
    selector = resource.get("spec", {}).get("selector")
    if selector is not None:
        wanted: Mapping[str, str] = selector.get("matchLabels", selector)
        selected = [place for place, pod in pods().items() if wanted.items() <= pod["metadata"]["labels"].items()]
        assert [place.partition(" ")[2] for place in selected] == [name]


def test_manifests_name_what_there_is() -> None:
    """Each config map, volume and mount that a pod names exists; the secret is only named."""
    maps = {one["name"] for one in kustomization["configMapGenerator"]}
    assert not [one for one in resources if one["kind"] in ("ConfigMap", "Secret")]
    assert {one["image"] for _, one in containers()} == {one["name"] for one in kustomization["images"]} == {"orch"}
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
        # The keys of providers are for those who call them.
        assert sources == (["orch", "orch-providers"] if "agents" in one["args"] else ["orch"]), place


def test_provider_keys_are_for_agents_alone() -> None:
    """In compose too."""
    for name, service in compose["services"].items():
        given = {variable for variable in service.get("environment", ()) if variable.endswith("_API_KEY")}
        assert bool(given) is (name == "agents"), name


def test_login_files_are_mounted() -> None:
    """The variables that name files with passwords and certificates name files of the secret that pods mount."""
    lines = (BASE / "orch.env").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert (
        security_from({**settings, "ORCH_KAFKA_PASSWORD_FILE": "", "ORCH_KAFKA_PASSWORD": "x"}).protocol == "SASL_SSL"
    )
    assert set(settings) <= set(VARIABLES)
    files = {value for name, value in settings.items() if name.endswith("_FILE")}
    assert files == {"/etc/orch-kafka/password", "/etc/orch-kafka/ca.crt"}
    for place, one in containers():
        assert {"/etc/orch", "/etc/orch-kafka"} <= {mount["mountPath"] for mount in one["volumeMounts"]}, place


def test_agents_follow_the_lag() -> None:
    """KEDA scales the deployment of the agents by their group's lag, up to a process for each partition."""
    scaled, login = keda
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] in {
        one["metadata"]["name"] for one in resources if one["kind"] == spec["scaleTargetRef"]["kind"]
    }
    assert spec["maxReplicaCount"] == QUESTION_PARTITIONS
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "kafka"
    assert set(trigger["metadata"]) <= KEDA_TRIGGER
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    log = Connection((trigger["metadata"]["bootstrapServers"],))
    assert f"ORCH_LOG={log.url}" in (BASE / "orch.env").read_text("utf-8")
    assert trigger["metadata"]["consumerGroup"] == log.group("agents")
    assert trigger["metadata"]["topic"] in GROUPS["agents"]
    assert trigger["authenticationRef"]["name"] == login["metadata"]["name"]
    assert {one["parameter"] for one in login["spec"]["secretTargetRef"]} <= KEDA_SECRETS


@pytest.fixture(scope="module")
def built() -> dict[str, list[dict[str, Any]]]:
    """What kubectl would apply, by folder."""
    if shutil.which("kubectl") is None:
        pytest.skip("optional: needs kubectl, which builds the manifests")
    made = {}
    for name in ("base", "keda"):
        done = subprocess.run(["kubectl", "kustomize", KUBERNETES / name], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made[name] = list(yaml.safe_load_all(done.stdout))
    return made


@pytest.mark.process
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_built_manifests_are_valid(built: dict[str, list[dict[str, Any]]], version: str) -> None:
    """What is applied keeps the schemas, lives in the namespace, and names an image in full."""
    for one in built["base"]:
        assert kubernetes_validate.validate(one, version, strict=True) == version
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "orch"
    text = json.dumps(built["base"])
    assert text.count('"image": "registry.example.com/orch:') == len(list(containers()))


@pytest.mark.process
def test_change_of_configuration_rolls_pods(built: dict[str, list[dict[str, Any]]], tmp_path: Path) -> None:
    """The config maps' names end in a hash of their contents, and every pod names them."""
    shutil.copytree(BASE, tmp_path / "base")
    with (tmp_path / "base" / "orch.toml").open("a") as file:
        file.write("# changed\n")
    done = subprocess.run(["kubectl", "kustomize", tmp_path / "base"], capture_output=True, text=True, check=True)
    before, after = mapped(built["base"]), mapped(list(yaml.safe_load_all(done.stdout)))
    assert before.keys() == after.keys() != set()
    for pod, names in before.items():
        assert names["orch"] == after[pod]["orch"]
        assert names["orch-toml"] != after[pod]["orch-toml"]


@pytest.mark.process
def test_keda_has_the_number_of_pods(built: dict[str, list[dict[str, Any]]]) -> None:
    """With KEDA the deployment of agents states no number that each apply would set again; all else is as before."""
    (agents,) = (one for one in built["keda"] if (one["kind"], one["metadata"]["name"]) == ("Deployment", "agents"))
    assert "replicas" not in agents["spec"]
    assert {one["kind"] for one in built["keda"]} - {one["kind"] for one in built["base"]} == {
        "ScaledObject",
        "TriggerAuthentication",
    }


def mapped(made: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Give the names of the config maps that each pod uses, by what the kustomization calls them."""
    found: dict[str, dict[str, str]] = {}
    for one in made:
        template = one.get("spec", {}).get("template")
        if template is not None:
            names = set(re.findall(r'"(orch(?:-toml)?-[a-z0-9]{10})"', json.dumps(template)))
            found[f"{one['kind']} {one['metadata']['name']}"] = {name.rpartition("-")[0]: name for name in names}
    return found


def test_containers_are_limited() -> None:
    """In compose each container has a limit of memory, processor and processes, and its log on disk is bounded."""
    for name, service in compose["services"].items():
        assert {"mem_limit", "cpus", "pids_limit"} <= service.keys(), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name


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


def test_configuration_is_one_that_orch_takes() -> None:
    """The orch.toml in the config map is a policy."""
    policy = build_policy(load_config(BASE / "orch.toml", required=True), "2026-01-01T00:00:00Z")
    assert policy.agents


def test_image_runs_as_nobody_in_particular() -> None:
    """The image installs everything, runs as a numbered user, and its entry point is the command."""
    lines = (INFRA / "Dockerfile").read_text("utf-8").splitlines()
    (user,) = (line.split()[1] for line in lines if line.startswith("USER "))
    assert user == "10001:10001"
    assert 'ENTRYPOINT ["orch"]' in lines
    assert any("'.[all]'" in line for line in lines)
    (uid,) = {pod["spec"]["securityContext"]["runAsUser"] for pod in pods().values()}
    assert user.startswith(f"{uid}:")
