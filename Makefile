PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A sourced ROS workspace sets PYTHONPATH, and its packages would come before those of the virtual environment.
unexport PYTHONPATH
# Nor do the wheels of ROS 2 go with the libraries of a ROS installation.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH LD_LIBRARY_PATH
endif

.PHONY: demo test

demo: $(VENV)/.ros
	$(BIN)/distillmatch demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# Editable: the checkout is what runs, so only a change of what is installed calls for installing again.
$(VENV)/.base: setup.py setup.cfg | $(BIN)/python
	@echo "Installing the package and what it needs into $(VENV), once: this takes a minute or so."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# Without it the demo leaves the node out. There are wheels of ROS 2 for Linux and recent Pythons.
$(VENV)/.ros: $(VENV)/.base
	@echo "Installing ROS 2 for Python into $(VENV), once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[ros]' 2> $(VENV)/ros.log \
		|| echo "ROS 2 cannot be installed here ($(VENV)/ros.log says why): the demo goes on without the node."
	touch $@

$(VENV)/.dev: setup.py setup.cfg | $(BIN)/python
	@echo "Installing what development needs into $(VENV), PyTorch among it, once: this takes some minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(VENV)/.base $@
