"""deploy/README.md: its examples are what the roles take, its links lead somewhere."""

import re
import shlex
from pathlib import Path

from nas_with_rl.launch.clusters.tf_config import parse_tf_config

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEXT = (DEPLOY / "README.md").read_text(encoding="utf-8")


def test_the_example_of_tf_config_names_its_task(parse_flags):
    (block,) = (b for b in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) if "TF_CONFIG" in b)
    (config,) = re.findall(r"export TF_CONFIG='(.*?)'", block, re.DOTALL)
    cluster, task = parse_tf_config(config)
    assert (str(task), task.address) == ("worker-1", "10.0.0.3:2223")
    assert (
        len({task.address for role in ("chief", "ps", "worker") for task in cluster.tasks(role)})
        == 6
    )
    (words,) = re.findall(r"nas_with_rl\.launch\.cluster (.*)", block, re.DOTALL)
    parsed = parse_flags(shlex.split(words.replace("\\\n", "")))
    assert (parsed["supervise"], parsed["workdir"]) == (True, "/runs/cifar10")


def test_the_slurm_line_has_flags_of_the_roles(parse_flags):
    (words,) = re.findall(r"sbatch deploy/slurm\.sh \\\n(.*?)```", TEXT, re.DOTALL)
    assert parse_flags(shlex.split(words))["workdir"] == "/shared/runs/cifar10"


def test_the_files_and_the_sections_exist():
    files = re.findall(r"`([\w.]+\.(?:yaml|sh))`|`(Dockerfile)`", TEXT)
    assert {name for pair in files for name in pair if name} == {
        "kubernetes.yaml",
        "slurm.sh",
        "Dockerfile",
    }
    titles = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]*)\)", TEXT)) <= anchors
    for name in ("kubernetes.yaml", "slurm.sh", "Dockerfile"):
        assert (DEPLOY / name).exists()
