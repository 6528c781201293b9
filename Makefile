PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PROJECT := pyproject.toml setup.py setup.cfg
# Four tests at a time, on two cores: a third of their time is waiting for other processes.
# They share the cores: PyTorch's threads must not spin while they wait for one that another test's process holds up.
# Modules are compiled once, not again in each of the hundred processes that tests start.
PYTEST := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE= \
	$(BIN)/python -m pytest --numprocesses 4 --dist worksteal

# A sourced ROS workspace sets PYTHONPATH, and its packages would come before those of the virtual environment.
unexport PYTHONPATH
# Nor do the wheels of ROS 2 go with the libraries of a ROS installation.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH LD_LIBRARY_PATH
endif

.PHONY: help demo check quick test docs lint gpu-check platforms

help:
	@echo "make demo   the synthetic drive, end to end: out/demo/index.html; a few minutes"
	@echo "make check  format, lint, types, dependencies, spelling, links, fast tests: before a commit"
	@echo "make test   the same with all tests: before a push; ten minutes"
	@echo "make gpu-check  on a machine with an NVIDIA GPU, six minutes: out/gpu_check/gpu_check.md"
	@echo "make platforms  other releases of Python and Debian, as root, an hour: docs/reference/platforms.md"
	@echo "make docs   the documentation as a site: out/site/index.html"

demo: $(VENV)/.ros
	$(BIN)/distillmatch demo --overwrite

# The site is built by one core; tests have the other one, and both once it is done.
check: lint
	@$(MAKE) --no-print-directory --jobs 2 docs quick

quick: $(VENV)/.dev
	$(PYTEST) -m "not slow"

test: lint
	$(PYTEST)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/deptry distillmatch_ros
	$(BIN)/codespell

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "out/site/index.html"

# Nothing is installed: it runs what the Python at hand has, as on a machine without network.
gpu-check:
	$(PYTHON) tools/gpu_check.py out/gpu_check

# Names of ONLY are those of tools/platforms/environments.py.
platforms: $(VENV)/.base
	$(BIN)/python -m tools.platforms out/platforms $(addprefix --only ,$(ONLY))

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Editable: the checkout is what runs, so only a change of what is installed calls for installing again.
$(VENV)/.base: $(PROJECT) | $(BIN)/python
	@echo "Installing the package and what it needs into $(VENV), once: this takes a minute or so."
	$(PIP) --editable .
	touch $@

# Without it the demo leaves the node out. There are wheels of ROS 2 for Linux on x86_64.
$(VENV)/.ros: $(VENV)/.base
	@echo "Installing ROS 2 for Python into $(VENV), once."
	@$(PIP) --editable '.[ros]' 2> $(VENV)/ros.log \
		|| echo "ROS 2 cannot be installed here ($(VENV)/ros.log says why): the demo goes on without the node."
	touch $@

$(VENV)/.docs: $(VENV)/.base
	@echo "Installing what the documentation needs into $(VENV), once."
	$(PIP) --editable '.[docs]'
	touch $@

$(VENV)/.dev: $(PROJECT) | $(BIN)/python
	@echo "Installing what development needs into $(VENV), PyTorch among it, once: this takes some minutes."
	$(PIP) --editable '.[dev]'
	touch $(VENV)/.base $(VENV)/.docs $@
