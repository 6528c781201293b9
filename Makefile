PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A sourced ROS workspace sets PYTHONPATH, and its packages would come before those of the virtual environment.
unexport PYTHONPATH

.PHONY: demo test

demo: $(VENV)/.base
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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.dev: setup.py setup.cfg | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(VENV)/.base $@
