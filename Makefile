# From a fresh clone: `make run` starts the engine and its page, `make test` checks everything. Both set up what they
# need; what is already there is not done again.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

VENV ?= .venv
PY := $(VENV)/bin/python
ARGS ?=

# Tried in this order: the versions that all packages have wheels for first.
FIND_PYTHON = for p in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
	  "$$p" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; exit; }; \
	done; echo "live needs Python 3.11 or newer; install it, or run: make PYTHON=/path/to/python" >&2; exit 1

.DEFAULT_GOAL := help
.PHONY: help run test lint types check doctor setup setup-test wheel clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: setup ## Set up what is missing and start the engine with its page (ARGS="--port 9000")
	$(PY) -m live serve $(ARGS)

test: setup-test ## Set up what is missing and run every check and test
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict live/
	$(PY) -m pytest $(ARGS)

doctor: setup ## Check devices, libraries and ports
	$(PY) -m live doctor

lint: setup-test ## Only the style checks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types: setup-test ## Only the type check
	$(PY) -m mypy --strict live/

wheel: setup-test ## Build the wheel into dist/
	$(PY) -m pip wheel --no-deps --wheel-dir dist .

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache

setup: $(VENV)/.stamp-run
	$(PY) -m live models fetch --quiet

setup-test: $(VENV)/.stamp-system-test $(VENV)/.stamp-dev
	$(PY) -m live models fetch --quiet

# An environment that was moved or whose Python is gone is made anew.
$(VENV)/.stamp-venv: scripts/system_packages.sh
	scripts/system_packages.sh run
	$(PY) -c '' 2>/dev/null || { python="$$($(FIND_PYTHON))"; "$$python" -m venv --clear $(VENV); }
	touch $@

$(VENV)/.stamp-system-test: $(VENV)/.stamp-venv
	scripts/system_packages.sh test
	touch $@

$(VENV)/.stamp-run: $(VENV)/.stamp-venv pyproject.toml
	$(PY) -m pip install -q -e .
	touch $@

# torch first and on its own: what needs it then takes the one that is there.
$(VENV)/.stamp-dev: $(VENV)/.stamp-venv pyproject.toml
	$(PY) -m pip install -q torch==2.13.0
	$(PY) -m pip install -q -e '.[dev]'
	touch $@ $(VENV)/.stamp-run
