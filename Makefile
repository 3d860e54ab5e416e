# The two commands of the README are `make demo` and `make test`. Both need only Python 3.11+, make and the package registries.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

.PHONY: demo test quick check format migrations lock static clean

demo: $(VENV)/.synced node_modules/.synced
	@exec $(PY) manage.py demo $(ARGS)

test: $(VENV)/.synced-dev node_modules/.synced
	$(PY) -m pytest $(ARGS)

# Everything but the journeys: seconds instead of minutes.
quick: $(VENV)/.synced-dev
	$(PY) -m pytest -m "not journey" $(ARGS)

check: $(VENV)/.synced-dev node_modules/.synced
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	./deploy-check.sh

format: $(VENV)/.synced-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The lock files carry hashes and no addresses.
lock: $(VENV)/bin/uv
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 pyproject.toml -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header --python-version 3.11 --group dev pyproject.toml -c requirements.txt -o requirements-dev.txt

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Claimsgate needs Python 3.11 or newer; this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/bin/uv: $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check uv
	@touch $@
