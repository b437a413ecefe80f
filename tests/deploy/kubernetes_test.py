"""deploy/kubernetes.yaml: valid, consistent in itself, and its scripts do what they are for."""

import copy
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import kubernetes_validate
import pytest
import yaml

from nas_with_rl.launch.host.compilation import CACHE_VARIABLE
from nas_with_rl.launch.host.heartbeat import HEARTBEAT_VARIABLE as HEARTBEAT

PATH = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes.yaml"
DOCUMENTS = list(yaml.safe_load_all(PATH.read_text(encoding="utf-8")))
OLDEST = "1.29"  # as the template's first line says
NEWEST = ".".join(kubernetes_validate.latest_version().split(".")[:2])
FILES = next(d["data"] for d in DOCUMENTS if d["metadata"]["name"] == "nas-files")


def find(documents: list[dict], kind: str, name: str) -> dict:
    """Return one document, or {} where there is none."""
    found = (d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name)
    return next(found, {})


def workloads(documents: list[dict]) -> list[dict]:
    return [d for d in documents if d["kind"] in ("StatefulSet", "Job")]


def is_within(labels: dict, of: dict) -> bool:
    return bool(labels) and labels.items() <= of.items()


def problems(documents: list[dict]) -> list[str]:
    """Return what the documents say of one another that does not hold, one line each."""
    found = []
    for workload in workloads(documents):
        name, pod = workload["metadata"]["name"], workload["spec"]["template"]
        found += [f"{name}: {line}" for line in _names(workload, pod, documents)]
        found += [f"{name}: {line}" for line in _volumes(pod["spec"], documents)]
        found += [f"{name}: {line}" for line in _container(pod["spec"], documents)]
    images = {w["spec"]["template"]["spec"]["containers"][0]["image"] for w in workloads(documents)}
    if len(images) > 1:
        found.append(f"images differ: {sorted(images)}")
    return found


def _names(workload: dict, pod: dict, documents: list[dict]) -> Iterator[str]:
    """Check the Service, the NetworkPolicy, the selector and the number of pods."""
    spec, labels = workload["spec"], pod["metadata"]["labels"]
    service = spec.get("serviceName") or pod["spec"].get("subdomain")
    if not (headless := find(documents, "Service", service).get("spec")):
        yield f"no Service {service}"
    elif headless["clusterIP"] != "None" or not headless["publishNotReadyAddresses"]:
        yield "the Service has an address of its own, or hides pods that are not ready"
    elif not is_within(headless["selector"], labels):
        yield "the Service does not select its pods"
    yield from _policy(find(documents, "NetworkPolicy", "nas")["spec"], labels)
    if workload["kind"] == "Job":
        rule = spec["podFailurePolicy"]["rules"][0]
        status = rule.get("onExitCodes", {})
        if (rule["action"], status.get("values")) != ("FailJob", [1, 2]):
            yield "exit status 2 does not fail the Job"
        if status.get("containerName") != pod["spec"]["containers"][0]["name"]:
            yield "the failure policy names another container"
        if pod["spec"]["restartPolicy"] != "Never" or spec["podReplacementPolicy"] != "Failed":
            yield "two chiefs could run at once"
        return
    if spec["podManagementPolicy"] != "Parallel":
        yield "pods start one after the other"
    if not is_within(spec["selector"]["matchLabels"], labels):
        yield "the selector does not select its pods"
    number = {"nas-ps": "NUM_PS", "nas-worker": "NUM_WORKERS"}[workload["metadata"]["name"]]
    if str(spec["replicas"]) != find(documents, "ConfigMap", "nas-cluster")["data"][number]:
        yield f"replicas is {spec['replicas']}, and {number} is another number"


def _policy(policy: dict, labels: dict) -> Iterator[str]:
    """Check that the pods reach one another and the server of names, and nobody else does."""
    peers = [peer for rule in policy["ingress"] for peer in rule.get("from", [{}])]
    for selector in [policy, *peers]:
        if not is_within(selector.get("podSelector", {}).get("matchLabels", {}), labels):
            yield "the NetworkPolicy does not select its pods, or lets others in"
    if set(policy["policyTypes"]) != {"Ingress", "Egress"}:
        yield "the NetworkPolicy leaves a direction open"
    reached = []
    for rule in policy.get("egress", []):
        ports = {port.get("port") for port in rule.get("ports", [{}])}
        names_alone = ports == {53}
        for peer in rule.get("to", [{}]):
            own = peer.keys() == {"podSelector"} and is_within(
                peer["podSelector"].get("matchLabels", {}), labels
            )
            reached += [53] if names_alone else ports if own else []
            if not own and not names_alone:
                yield "the NetworkPolicy lets pods reach others"
            if not peer:
                yield "the NetworkPolicy lets pods reach anybody"
    if not {53, 2222} <= set(reached):
        yield "the NetworkPolicy keeps pods from one another, or from names"


def _volumes(pod: dict, documents: list[dict]) -> Iterator[str]:
    """Check that what is mounted is there, and has what the flags name."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = pod["containers"][0]["volumeMounts"]
    for mount in mounts:
        if mount["name"] not in volumes:
            yield f"no volume {mount['name']}"
    for volume in volumes.values():
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim and not find(documents, "PersistentVolumeClaim", claim):
            yield f"no PersistentVolumeClaim {claim}"
    flags = find(documents, "ConfigMap", "nas-files")["data"]["flags"]
    needed = {"chief": ("data_dir", "workdir"), "worker": ("data_dir",)}
    for flag in needed.get(pod["containers"][0]["name"], ()):
        (path,) = re.findall(rf"^--{flag}=(.*)$", flags, re.MULTILINE)
        parents = {str(PurePosixPath(path)), *map(str, PurePosixPath(path).parents)}
        if not parents & {mount["mountPath"] for mount in mounts}:
            yield f"--{flag}={path} is in no volume"


def _container(pod: dict, documents: list[dict]) -> Iterator[str]:
    """Check ports, scripts, and where the heartbeat lies."""
    (container,) = pod["containers"]
    values = {value["name"]: value.get("value") for value in container["env"]}
    numbers = find(documents, "ConfigMap", container["envFrom"][0]["configMapRef"]["name"])
    ports = {str(port["containerPort"]) for port in container["ports"]}
    for service in (d for d in documents if d["kind"] == "Service"):
        ports |= {str(port["port"]) for port in service["spec"]["ports"]}
    if not numbers or ports != {numbers["data"]["PORT"]}:
        yield f"ports {sorted(ports)} and the ConfigMap's differ"
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    sources = {volume["name"]: volume for volume in pod["volumes"]}
    beat = PurePosixPath(values.get(HEARTBEAT) or "/")
    if "emptyDir" not in sources.get(mounted.get(str(beat.parent)), {}):
        yield f"{HEARTBEAT} {beat} is in no emptyDir"
    yield from _confinement(pod, container, mounted, sources)
    probes = [container.get(probe) for probe in ("livenessProbe", "startupProbe")]
    scripts = [probe["exec"]["command"][-1] for probe in probes if probe]
    if len(scripts) < 2 or any(PurePosixPath(s).name != "is_alive.sh" for s in scripts):
        yield "a probe does not look at the heartbeat"
    words = [container["command"][-1], *(w.partition("=")[2] for w in container["args"][1:2])]
    for path in map(PurePosixPath, [*scripts, *words]):
        volume = sources.get(mounted.get(str(path.parent)), {})
        files = find(documents, "ConfigMap", volume.get("configMap", {}).get("name"))
        if path.name not in files.get("data", {}):
            yield f"{path} is not in the mounted ConfigMap"


def _confinement(pod: dict, container: dict, mounted: dict, sources: dict) -> Iterator[str]:
    """Check that a container may do little, and can write where its programs have to."""
    context = {**pod["securityContext"], **container["securityContext"]}
    wanted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for name, value in wanted.items():
        if context.get(name) != value:
            yield f"{name} is not {value}"
    values = {value["name"]: value.get("value") for value in container["env"]}
    for name in ("TMPDIR", "HOME", CACHE_VARIABLE):
        path = PurePosixPath(values.get(name) or {"TMPDIR": "/tmp"}.get(name, "/root"))
        volumes = [sources.get(mounted.get(str(place)), {}) for place in (path, *path.parents)]
        if not any("emptyDir" in volume for volume in volumes):
            yield f"{name} {path} cannot be written to"


def changed(kind: str, name: str, path: str, value: object) -> list[dict]:
    """Return the documents with one field set, or taken out where the value is None."""
    documents = copy.deepcopy(DOCUMENTS)
    place = find(documents, kind, name)
    *parents, last = (int(word) if word.isdigit() else word for word in path.split("/"))
    for word in parents:
        place = place[word]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return documents


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_document_is_valid(version):
    kinds = [document["kind"] for document in DOCUMENTS]
    assert (kinds.count("StatefulSet"), kinds.count("Job"), kinds.count("Service")) == (2, 1, 1)
    for document in DOCUMENTS:
        assert kubernetes_validate.validate(document, version, strict=True) == version


POD = "spec/template/spec"
CONTEXT = f"{POD}/containers/0/securityContext"


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("StatefulSet", "nas-ps", "spec/replica", 2),
        ("StatefulSet", "nas-ps", "spec/replicas", "two"),
        ("StatefulSet", "nas-worker", "spec/selector", None),
        ("StatefulSet", "nas-worker", f"{POD}/containers/0/name", None),
        ("StatefulSet", "nas-worker", f"{POD}/containers/0/livenessProbe/exec/command", "true"),
        ("Job", "nas-chief", "spec/podFailurePolicy/rules/0/action", None),
        ("Job", "nas-chief", f"{POD}/hostName", "nas-chief"),
        ("Service", "nas", "spec/ports/0/port", "grpc"),
        ("ConfigMap", "nas-cluster", "data/NUM_PS", 2),
        ("NetworkPolicy", "nas", "spec/podSelector", "all"),
    ],
)
def test_a_broken_document_is_rejected(kind, name, path, value):
    broken = find(changed(kind, name, path, value), kind, name)
    for version in (OLDEST, NEWEST):
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, version, strict=True)


def test_the_documents_fit_together():
    assert problems(DOCUMENTS) == []


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "message"),
    [
        ("Service", "nas", "metadata/name", "other", "no Service nas"),
        ("Service", "nas", "spec/clusterIP", "10.0.0.1", "an address of its own"),
        ("Service", "nas", "spec/publishNotReadyAddresses", False, "hides pods"),
        ("Service", "nas", "spec/selector", {"app": "x"}, "Service does not select"),
        ("Service", "nas", "spec/ports/0/port", 2223, "ports ['2222', '2223']"),
        ("NetworkPolicy", "nas", "spec/podSelector", {}, "lets others in"),
        ("NetworkPolicy", "nas", "spec/ingress/0/from/0", {"podSelector": {}}, "lets others in"),
        ("NetworkPolicy", "nas", "spec/ingress/0/from", None, "lets others in"),
        ("NetworkPolicy", "nas", "spec/policyTypes", ["Ingress"], "leaves a direction open"),
        ("NetworkPolicy", "nas", "spec/egress", [{}], "reach anybody"),
        ("NetworkPolicy", "nas", "spec/egress/0/to/0", {"podSelector": {}}, "reach others"),
        ("NetworkPolicy", "nas", "spec/egress/1/ports", None, "reach others"),
        ("NetworkPolicy", "nas", "spec/egress/1", None, "keeps pods from one another"),
        ("NetworkPolicy", "nas", "spec/egress/0", None, "keeps pods from one another"),
        ("StatefulSet", "nas-ps", "spec/serviceName", "ps", "no Service ps"),
        ("StatefulSet", "nas-ps", "spec/replicas", 3, "NUM_PS is another number"),
        ("ConfigMap", "nas-cluster", "data/NUM_WORKERS", "800", "NUM_WORKERS is another"),
        ("StatefulSet", "nas-ps", "spec/selector/matchLabels", {"a": "b"}, "the selector does"),
        ("StatefulSet", "nas-ps", "spec/podManagementPolicy", "OrderedReady", "one after the"),
        ("StatefulSet", "nas-worker", f"{POD}/containers/0/livenessProbe", None, "a probe"),
        ("StatefulSet", "nas-worker", f"{POD}/containers/0/env/2/value", "/var/b", "no emptyDir"),
        ("StatefulSet", "nas-worker", f"{POD}/containers/0/volumeMounts/3", None, "--data_dir"),
        ("StatefulSet", "nas-worker", f"{POD}/containers/0/image", "old", "images differ"),
        ("StatefulSet", "nas-ps", f"{CONTEXT}/readOnlyRootFilesystem", None, "readOnlyRoot"),
        ("StatefulSet", "nas-ps", f"{CONTEXT}/allowPrivilegeEscalation", True, "allowPrivilege"),
        ("Job", "nas-chief", f"{CONTEXT}/capabilities", None, "capabilities is not"),
        ("Job", "nas-chief", f"{POD}/securityContext/seccompProfile", None, "seccompProfile"),
        ("Job", "nas-chief", f"{POD}/containers/0/env/3/value", "/root", "HOME /root cannot"),
        ("StatefulSet", "nas-worker", f"{POD}/volumes/2", None, "TMPDIR /tmp cannot"),
        ("ConfigMap", "nas-files", "data/start_role.sh", None, "start_role.sh is not in"),
        ("ConfigMap", "nas-files", "data/is_alive.sh", None, "is_alive.sh is not in"),
        ("PersistentVolumeClaim", "nas-workdir", "metadata/name", "w", "no PersistentVolume"),
        ("Job", "nas-chief", f"{POD}/subdomain", "chief", "no Service chief"),
        ("Job", "nas-chief", f"{POD}/restartPolicy", "OnFailure", "two chiefs"),
        ("Job", "nas-chief", f"{POD}/containers/0/name", "main", "another container"),
        ("Job", "nas-chief", f"{POD}/volumes/0/name", "files", "no volume scripts"),
        (
            "Job",
            "nas-chief",
            "spec/podFailurePolicy/rules/0/onExitCodes/values",
            [1],
            "status 2 does not fail",
        ),
    ],
)
def test_documents_that_do_not_fit_together_are_found(kind, name, path, value, message):
    assert any(message in line for line in problems(changed(kind, name, path, value)))


def start(roles, role: str, pod: str, **variables: str) -> subprocess.CompletedProcess:
    """Run start_role.sh as a pod would, with the words of that role's container."""
    folder = str(roles.python.parent)
    beat = {HEARTBEAT: f"{folder}/heartbeat", "HOME": f"{folder}/home", "TMPDIR": folder}
    numbers = find(DOCUMENTS, "ConfigMap", "nas-cluster")["data"]
    kind = "Job" if role == "chief" else "StatefulSet"
    template = find(DOCUMENTS, kind, f"nas-{role}")["spec"]["template"]["spec"]
    return subprocess.run(
        ["bash", "-c", FILES["start_role.sh"], "start_role.sh", *template["containers"][0]["args"]],
        env={
            **roles.environment,
            **numbers,
            "POD_NAME": pod,
            "NAMESPACE": "team",
            **beat,
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_pod_finds_its_place_in_the_cluster(roles):
    pods = {"chief-0": "nas-chief-x7k2p"}
    pods |= {f"ps-{index}": f"nas-ps-{index}" for index in range(2)}
    pods |= {f"worker-{index}": f"nas-worker-{index}" for index in range(4)}
    for name, pod in pods.items():
        done = start(roles, name.partition("-")[0], pod)
        assert done.returncode == 0, done.stderr

    # A pod's DNS name is its own name, or its hostname, before that of the headless Service.
    (service,) = (d["metadata"]["name"] for d in DOCUMENTS if d["kind"] == "Service")
    job = find(DOCUMENTS, "Job", "nas-chief")["spec"]["template"]["spec"]
    place = f"{service}.team.svc.cluster.local:2222"
    cluster = {
        "chief": [f"{job['hostname']}.{place}"],
        "ps": [f"{pods[f'ps-{index}']}.{place}" for index in range(2)],
        "worker": [f"{pods[f'worker-{index}']}.{place}" for index in range(4)],
    }
    recorded = roles.recorded()
    assert set(recorded) == set(pods)
    for name, seen in recorded.items():
        role, _, index = name.partition("-")
        task = {"type": role, "index": int(index)}
        assert seen["config"] == {"cluster": cluster, "task": task}
        words = ["-m", "nas_with_rl.launch.cluster", "--flagfile=/etc/nas/flags"]
        assert seen["words"] == words + ["--resume"] * (role == "chief")


def test_a_role_that_starts_again_has_no_beat_yet(roles, tmp_path):
    # Else the startup probe would pass at once, and the liveness probe fail during the imports.
    beat, left, other = (tmp_path / name for name in ("heartbeat", "nas_with_rl-x", "other"))
    beat.touch()
    left.mkdir()
    other.mkdir()
    place = {HEARTBEAT: str(beat), "TMPDIR": str(tmp_path)}
    assert start(roles, "ps", "nas-ps-0", **place).returncode == 0
    assert "ps-0" in roles.recorded()
    assert not beat.exists() and not left.exists() and other.exists()


def test_the_papers_size_fits_into_one_variable(roles):
    sizes = {"NUM_PS": "20", "NUM_WORKERS": "800", "NAMESPACE": "n" * 63}
    done = start(roles, "worker", "nas-worker-799", **sizes)
    assert done.returncode == 0, done.stderr
    config = roles.recorded()["worker-799"]["config"]
    assert [len(config["cluster"][role]) for role in ("chief", "ps", "worker")] == [1, 20, 800]
    assert config["cluster"]["worker"][799].startswith("nas-worker-799.nas.")


@pytest.mark.parametrize(
    ("role", "pod", "variables", "message"),
    [
        ("worker", "nas-worker-4", {}, "nas-worker-4 is beyond the ConfigMap's number, 4"),
        ("ps", "nas-ps-2", {}, "nas-ps-2 is beyond the ConfigMap's number, 2"),
        ("ps", "nas-ps-0", {"NUM_PS": "two"}, "NUM_PS is 'two', not 1 to 9999"),
        ("chief", "nas-chief-a", {"NUM_WORKERS": "0"}, "NUM_WORKERS is '0', not 1 to 9999"),
    ],
)
def test_a_pod_without_a_place_says_so(roles, role, pod, variables, message):
    done = start(roles, role, pod, **variables)
    assert (done.returncode, done.stderr) == (2, f"error: {message}\n")
    assert roles.recorded() == {}


def test_the_flags_are_those_of_the_roles(tmp_path, parse_flags):
    path = tmp_path / "flags"
    path.write_text(FILES["flags"], encoding="utf-8")
    parsed = parse_flags([f"--flagfile={path}", "--resume"])
    assert parsed["experiment"] == "cifar10"
    assert parsed["workdir"] == "/workdir/cifar10"
    assert parsed["resume"] is True


@pytest.mark.parametrize(("age", "is_alive"), [(0, True), (10, True), (20, False), (None, False)])
def test_the_probe_tells_a_young_heartbeat_from_an_old_one(tmp_path, age, is_alive):
    beat = tmp_path / "heartbeat"
    if age is not None:
        beat.touch()
        os.utime(beat, (time.time() - age,) * 2)
    done = subprocess.run(
        ["bash", "-c", FILES["is_alive.sh"]],
        env={"PATH": os.environ["PATH"], HEARTBEAT: str(beat)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0) is is_alive


@pytest.mark.parametrize("name", ["start_role.sh", "is_alive.sh"])
def test_shellcheck_has_no_complaint(shellcheck, name):
    assert shellcheck(FILES[name]) == ""
    assert "SC2086" in shellcheck("#!/bin/bash\nrm $1\n")
