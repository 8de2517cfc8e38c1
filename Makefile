# HandLab. `make help` lists what there is. Every target sets itself up on a bare machine.
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 7860
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test test-slow lint setup setup-dev system system-dev corpus train evaluate ablate clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: setup system  ## serve the application on http://$(HOST):$(PORT)
	$(PY) app.py --host $(HOST) --port $(PORT)

test: setup-dev system-dev  ## the default tests, browser included
	$(PY) -m pytest

test-slow: setup-dev system-dev  ## every test, the slow ones too
	$(PY) -m pytest -m ''

lint: setup-dev  ## ruff, lint and format
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

corpus: setup-dev system  ## render the embedded world (RECIPE=...)
	$(PY) -m engine.corpus make

train: setup-dev system  ## train the embedded weights
	$(PY) -m engine.train all
	$(PY) -m engine.fetch embedded --hash

evaluate: setup-dev system  ## the tables and contact sheets, into assets/results and MODEL_CARD.md
	$(PY) -m engine.corpus make --split test --n 1000
	$(PY) -m engine.evaluate table --processes 2
	$(PY) -m engine.evaluate sheet
	$(PY) -m engine.evaluate card

setup: $(VENV)/.run
setup-dev: $(VENV)/.dev

# torch first and alone: with that pin pip takes a CPU build where one lies on disk, and no CUDA packages.
$(VENV)/.torch: constraints.txt
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q "$$(grep '^torch==' constraints.txt)" numpy -c constraints.txt
	touch $@

$(VENV)/.run: $(VENV)/.torch requirements.txt
	$(PIP) install -q -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(PIP) install -q -r requirements-dev.txt -c constraints.txt
	touch $@

system:
	@./scripts/system-packages packages.txt
system-dev:
	@./scripts/system-packages packages.txt packages-dev.txt

ablate: setup-dev system  ## the papers' ablations on the embedded world
	$(PY) -m engine.corpus make --split test --n 1000
	$(PY) -m engine.evaluate ablate --processes 2
	$(PY) -m engine.evaluate card

clean:  ## remove the environment, caches and outputs (not data or weights)
	rm -rf $(VENV) cache outputs .pytest_cache .ruff_cache
