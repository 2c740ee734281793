# make help says what each target does.
SHELL := /bin/sh
VENV ?= .venv
PY = $(VENV)/bin/python
CORES ?= all
MODELS ?=
FORCE ?=
ABLATIONS ?=
SEEDS ?=
STUDY ?=
SUITE ?= sample
CONFIRM ?=
SECTIONS ?=
REPEATS ?= 3
MODEL ?= model_6
FORMAT ?= onnx
INSTALL = $(PY) requirements/install.py
# uv leaves it to the first import to compile a module, and all later ones are to find that.
unexport PYTHONDONTWRITEBYTECODE

# Without a home that can be written to, what the tools keep there goes to a temporary folder.
ifneq ($(shell test -w "$$HOME" && echo yes),yes)
export HOME := $(shell mktemp -d)
export PIP_NO_CACHE_DIR = 1
endif

# The first Python on the PATH that is new and old enough; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)

# `strip` makes one line of a value with several, such as SEEDS="$(seq 0 2)".
ENGINE = $(PY) -m fmnist_keras.workflow.progress --cores $(CORES) --config "seeds=$(strip $(SEEDS))" "models=$(strip $(MODELS))" "force=$(FORCE)" "ablations=$(ABLATIONS)"

# What a kernel finds in its environment, where nothing else is said there; the engine's jobs do it themselves.
KERNEL_ENV = env $$($(PY) -m fmnist_keras.workflow.execute)

# Of the caller's environment Python itself reads this; tests/conftest.py removes the rest.
PYTEST = unset PYTHONPATH && $(PY) -m pytest

# As on Windows: without what only POSIX has, no encoding left to the locale, in a path with a space and accents.
UNIT = folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export HIDE_POSIX=1 PYTHONWARNDEFAULTENCODING=1 \
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 && \
	$(PYTEST) -n auto --maxprocesses 4 --dist loadfile --durations=10 -p no:nbval --basetemp "$$folder/año más"

# Engines and kernels are waited for, and need what UNIT hides.
REST = $(PYTEST) -n 2 --dist loadfile --durations=10 --nbval-lax --nbval-current-env tests/integration tests/browser notebooks

# What may be set for which target. A variable that none of them knows would be ignored without a word.
SUITE_VARIABLES = CORES SEEDS MODELS FORCE ABLATIONS
VARIABLES_report = $(SUITE_VARIABLES) SUITE
VARIABLES_paper = $(SUITE_VARIABLES)
VARIABLES_holdout = $(SUITE_VARIABLES)
VARIABLES_reading = $(SUITE_VARIABLES)
VARIABLES_study = STUDY SUITE SEEDS CONFIRM CORES FORCE
VARIABLES_bench = SECTIONS REPEATS
VARIABLES_export = MODEL FORMAT
EVERYWHERE = VENV PYTHON KERAS_BACKEND KERAS_HOME FMNIST_DATA_DIR REPORTS_DIR HOME TF_% XLA_% JAX_% OMP_% PIP_% UV_% INSTALLER
GOALS := $(or $(MAKECMDGOALS),help)
KNOWN := $(foreach goal,$(GOALS),$(VARIABLES_$(goal)))
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(firstword $(filter-out $(KNOWN) $(EVERYWHERE) MAKE% -%,$(GIVEN)))
ifneq ($(UNKNOWN),)
NEAR := $(shell $(PYTHON) -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], 1, 0.5))' $(UNKNOWN) $(KNOWN) 2>/dev/null)
$(error make $(GOALS) does not know $(UNKNOWN); $(if $(NEAR),did you mean $(NEAR)?,allowed: $(or $(KNOWN),nothing)))
endif
# With no cores Snakemake would wait for ever.
ifneq ($(filter CORES,$(KNOWN)),)
ifneq ($(shell echo "$(CORES)" | grep -cxE 'all|[1-9][0-9]*'),1)
$(error CORES is "$(CORES)"; allowed: all, or a number from 1)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help setup report paper holdout reading study data lab notebooks readme bench backends slurm export lock check test test-all test-oldest test-slurm lint format clean again

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo '  With report, paper, holdout, reading: SEEDS="0 1 2"  MODELS="model_1 model_5"  CORES=2  FORCE=1 (run again)  ABLATIONS=1'
	@echo '  MODELS takes points of params/studies/ablations.yaml too, by their names. A study takes some of its SEEDS.'

# Mended where its Python is gone, or an update made it one of another version, which does not see its packages.
$(VENV)/created: $(shell test ! -e $(VENV)/installed || $(PY) -c 'from importlib.util import find_spec; find_spec("papermill").origin' 2>/dev/null || echo again)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 on the PATH; install one, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "error: $(PYTHON) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PY) -c 'import pip' 2>/dev/null || $(PY) -m ensurepip >/dev/null 2>&1 || $(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/created requirements.txt requirements/lock.txt pyproject.toml
	@$(INSTALL) requirements.txt
	@touch $@

# The sets in requirements/, each installed once, when a command needs it.
$(VENV)/%.installed: requirements/%.txt $(VENV)/installed
	@$(INSTALL) $<
	@touch $@

setup: $(VENV)/installed  ## the virtual environment, from requirements.txt

report: $(if $(filter paper holdout,$(SUITE)),data,$(VENV)/installed)  ## all models on the embedded sample -> reports/sample/index.html; SUITE=name: another suite
	@$(ENGINE) "suite=$(SUITE)"

paper: data  ## all models on all 70,000 images, as in the paper -> reports/paper/index.html
	@$(ENGINE) suite=paper

holdout: data  ## the same, the test images untouched until the end -> reports/holdout/index.html
	@$(ENGINE) suite=holdout

reading: data  ## the paper with what it leaves unsaid filled in -> reports/reading/index.html
	@$(ENGINE) suite=reading

# The sample is in the repository; every other suite needs the data.
study: $(if $(filter sample,$(SUITE)),$(VENV)/installed,data)  ## params/studies/STUDY.yaml -> reports/SUITE/studies/STUDY; SUITE=paper
	@$(ENGINE) "suite=$(SUITE)" "study=$(STUDY)" "confirm=$(CONFIRM)"

data: $(VENV)/installed  ## find or fetch Fashion-MNIST, and verify it
	@$(PY) -m fmnist_keras data

lab: $(VENV)/installed  ## JupyterLab on explore.ipynb and the other notebooks
	@$(KERNEL_ENV) $(PY) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) --notebook-dir notebooks notebooks/explore.ipynb

notebooks: $(VENV)/installed  ## run the committed notebooks again with their defaults, in place
	@FMNIST_STATIC_WIDGETS=1 $(KERNEL_ENV) $(PY) -m jupyter nbconvert --to notebook --inplace --execute \
		--ExecutePreprocessor.kernel_manager_class=fmnist_keras.workflow.kernel.InterpreterKernel \
		--ExecutePreprocessor.record_timing=False --ExecutePreprocessor.store_widget_state=False notebooks/*.ipynb

readme: $(VENV)/installed  ## Table III and the studies' answers in README.md, from reports/paper
	@$(PY) -m fmnist_keras readme

# PyTorch goes into a folder of its own, so that what is measured is the environment that everyone has.
$(VENV)/torch/installed: requirements/bench.txt $(VENV)/installed
	@$(INSTALL) $< --target $(VENV)/torch
	@touch $@

bench: data $(VENV)/torch/installed  ## measure against Keras' defaults and PyTorch -> reports/bench.md; SECTIONS="throughput suite"
	@$(PY) benchmarks/bench.py --torch $(VENV)/torch --repeats $(REPEATS) $(if $(SECTIONS),--sections $(SECTIONS))

backends: $(VENV)/backends.installed  ## JAX and PyTorch beside TensorFlow: KERAS_BACKEND=jax make report

slurm: $(VENV)/slurm.installed  ## what snakemake --profile profiles/slurm needs

export: $(VENV)/export.installed  ## a trained model to exports/: MODEL=model_6 FORMAT=onnx (or keras, saved_model)
	@$(PY) -m fmnist_keras export $(MODEL) --format $(FORMAT)

lock: $(VENV)/created  ## requirements/lock.txt again: the version of everything, for all platforms
	@$(INSTALL) --lock

check: lint  ## lint and the unit tests: what one runs after every edit
	@$(UNIT)

test: lint $(VENV)/export.installed  ## also the engine on small models, browsers, and nbval on the notebooks
	@$(UNIT)
	@$(REST) -m "not long"

test-all: lint $(VENV)/export.installed backends  ## everything, before a release: also what is rare and long, and make test-slurm
	@$(UNIT)
	@$(REST)
	@$(MAKE) --no-print-directory test-slurm

# TensorFlow of that time has no wheel for Python 3.13.
OLDEST = $(VENV)-oldest
$(OLDEST)/installed: requirements/oldest.txt pyproject.toml
	@python=$$(for p in python3.12 python3.11; do $$p -c 'import ensurepip, venv' 2>/dev/null && echo $$p && break; done); \
	test -n "$$python" || { echo "error: no Python 3.11 or 3.12 with its venv module on the PATH" >&2; exit 1; }; $$python -m venv $(OLDEST)
	@$(OLDEST)/bin/python requirements/install.py requirements/oldest.txt
	@touch $@

# Without the numbers in README.md, one of which is rounded otherwise there, and what needs the engine.
test-oldest: $(OLDEST)/installed $(VENV)/installed  ## unit tests and three notebooks with the oldest libraries, Colab's, without engine and lint
	@unset PYTHONPATH && NEWEST=$(abspath $(PY)) $(OLDEST)/bin/python -m pytest -n 2 --dist loadfile --ignore tests/unit/test_readme.py tests/unit tests/oldest

test-slurm: $(VENV)/test.installed $(VENV)/slurm.installed  ## eight models, three seeds, through a real SLURM that the test starts and stops
	@tests/slurm/install.sh
	@$(PYTEST) tests/slurm

lint: $(VENV)/test.installed  ## ruff: errors and format
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check

format: $(VENV)/test.installed  ## ruff: format everything
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

clean:  ## remove caches; results stay, in reports and in exports
	rm -rf .pytest_cache .ruff_cache .snakemake *.egg-info reports/.engine
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
