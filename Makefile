# The commands of a user. On a fresh machine each makes .venv with Python 3.11 and installs what it needs, once.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt
export DAGSTER_HOME := $(CURDIR)
export DAGSTER_EVENT_BATCH_SIZE := 5000
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: help run test check lint types imports ui mlflow clean

help:  ## show these lines
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fti-assets into .venv (a few minutes the first time) ..."
	$(PIP) -e ".[features,training,inference,serving,streaming,ui]"
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing fti-assets and its development tools into .venv (a few minutes the first time) ..."
	$(PIP) -e ".[dev]"
	@touch $@ .venv/.installed

run: .venv/.installed  ## the main job on real data: landing files to predictions for 2013
	$(BIN)/fti run flights

test: .venv/.installed-dev  ## the tests
	$(BIN)/pytest

lint: .venv/.installed-dev  ## ruff: lint and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev  ## mypy in strict mode
	$(BIN)/mypy

imports: .venv/.installed-dev  ## import rules between the rooms of the house
	$(BIN)/lint-imports

check: lint types imports test  ## everything that CI asks for

ui: .venv/.installed  ## the Dagster UI on http://127.0.0.1:3000
	$(BIN)/dg dev -w workspace.yaml --host 127.0.0.1 --port 3000

mlflow: .venv/.installed  ## the MLflow UI on http://127.0.0.1:5000
	$(BIN)/mlflow server --backend-store-uri "sqlite:///$(CURDIR)/data/mlflow/mlflow.db" --host 127.0.0.1 --port 5000

clean:  ## remove everything that runs wrote under data/
	find data -mindepth 1 -not -name README.md -delete
