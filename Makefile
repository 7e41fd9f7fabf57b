# Everything that people and machines do with this checkout. `make run` and `make test` work on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= $(or $(TOCSIN_DATA),data)
FUZZ_MINUTES ?= 10
# How long `make soak` runs, after a first minute that fills what is meant to fill.
MINUTES ?= 15
CALM_MINUTES ?= 60
PACKAGES := protocol actors engine tocsin benchmarks

# What page and client are made of; folders too, as a file that is gone changes nothing but its folder.
WEB_SOURCES := $(shell find web/client/src web/dashboard/src 2>/dev/null) web/dashboard/index.html \
  $(wildcard web/*/package.json web/*/tsconfig*.json web/*/vite.config.ts)

.PHONY: run test check bench soak chaos calm fuzz docs pictures page-load lock install install-dev system node page clean
.PHONY: check-web check-form check-types

run: install
	@$(MAKE) --no-print-directory page || echo "The page is not built: that needs Node 20.19 or newer, with npm. The engine runs without it." >&2
	TOCSIN_DATA=$(DATA) $(BIN)/tocsin serve --welcome

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tocsin needs Python 3.11 or newer, and $(PYTHON) is %s: say make PYTHON=python3.11, or whatever yours is called" % sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements/run.lock pyproject.toml | $(VENV)/bin/pip
	@echo "Installing what Tocsin needs into $(VENV): a minute or so, without a word."
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: requirements/dev.lock pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/.installed

# What the tests need of the system: Prometheus and amtool from Debian, strace for failing disks, faketime for clocks,
# redis-server for the queue that `tocsin bench jobs` runs beside ours, Postgres, nginx for deploy/nginx, Chromium for the page.
system:
	tests/support/install_system.sh

# The reference's client, and that other queue, are Node programs: the real ones are run.
node: tests/node/node_modules/.installed

tests/node/node_modules/.installed: tests/node/package-lock.json
	cd tests/node && npm ci --silent --no-audit --no-fund
	touch $@

# The page that the engine serves, and the JavaScript client that it is built on.
page: engine/http/static/index.html

web/node_modules/.installed: web/package-lock.json
	@node -e 'const [major, minor] = process.versions.node.split("."); process.exit(+(major * 100 + +minor < 2019))' 2>/dev/null \
	  || { echo "node is $$(node --version 2>/dev/null || echo not there)" >&2; exit 1; }
	@echo "Installing what builds the page: half a minute or so."
	cd web && npm ci --loglevel error --no-audit --no-fund
	touch $@

# Vite empties the folder first, so a build that fails leaves no page that looks finished.
engine/http/static/index.html: web/node_modules/.installed $(WEB_SOURCES)
	cd web && npm run build --silent --workspaces --if-present

# Types, rules, form and the tests of the TypeScript, which need no browser.
check-web: page
	cd web && npm run check --silent --workspaces --if-present
	cd web && npx --no-install prettier --check --log-level warn browser && npx --no-install oxlint --deny-warnings browser
	cd web && npm test --silent --workspaces --if-present

# Where nobody keeps bytecode each process of the tests compiles all of them anew: nine seconds of each run.
check test: export PYTHONDONTWRITEBYTECODE :=

# Form, rules and who may import whom, of the Python.
check-form: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

check-types: install-dev
	$(BIN)/mypy

# Before each commit, in under two minutes: first what reads the code, side by side, each told as a whole where make can do
# that (4.0); then the unit tests, which start nothing, in two processes, file by file, without two plugins of pytest that
# take a second to load and are not used there.
check: install-dev page
	$(MAKE) --no-print-directory -j 2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) check-web check-types check-form
	$(BIN)/pytest tests/unit -q -n 2 --dist loadfile -p no:schemathesis -p no:faker --ignore-glob='*_bruteforce.py'
	@echo "left to make test: tests/component (whole engines, servers, processes, benchmarks)," \
	  "tests/unit/*_bruteforce.py (rules reckoned again, reading by reading), and what needs other programs"

# In three parts: what needs no other program, and what does, in two processes each; then, one by one and unmeasured, what
# compares how long something takes with how long it took a moment before. A part that fails does not hide what the next
# ones have to say: all three run, then it ends.
test: install-dev system node check-web check-form check-types
	rm -f .coverage .coverage.*
	failed=; \
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile tests/unit tests/component || failed="$$failed unit"; \
	$(BIN)/coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone" --ignore=tests/unit --ignore=tests/component tests \
	  || failed="$$failed together"; \
	$(BIN)/pytest -m alone --ignore=tests/unit --ignore=tests/component tests || failed="$$failed alone"; \
	test -z "$$failed" || { echo "failed:$$failed (what failed is told at the end of each part)"; exit 1; }
	$(BIN)/coverage combine --quiet
	rm -f .coverage.*  # what processes that were killed on purpose left half-written
	$(BIN)/coverage report
	$(BIN)/coverage report --fail-under=100 --include='protocol/*,engine/core/*'

bench: install-dev node
	NODE_PATH=$(CURDIR)/tests/node/node_modules $(BIN)/python -m benchmarks all --short --out benchmarks/results

# Ten minutes of fuzzing over all parsers; what it learns is kept as test vectors.
fuzz: install-dev
	$(BIN)/python -m tests.fuzz --minutes $(FUZZ_MINUTES) --keep

# Steady, churning, slow and hostile clients together; fails for a leak or a lost message.
soak: install-dev
	$(BIN)/tocsin bench soak --minutes $(MINUTES)

# Three nodes, 300 clients, 200 triggers a second, and for five minutes one fault after the other; fails for whatever
# was lost, doubled or late.
chaos: install-dev
	$(BIN)/python -m tests.support.chaos

# The same without faults, for an hour; fails if less than 99.9 % of a probe each second are through within 100 ms.
calm: install-dev
	$(BIN)/python -m tests.support.chaos --calm $(CALM_MINUTES)

# Writes the pages that are made from the code.
docs: install-dev
	$(BIN)/python docs/generate_protocol.py
	$(BIN)/python docs/generate_lifecycle.py
	$(BIN)/python docs/generate_metrics.py
	$(BIN)/python docs/generate_dashboards.py

# A hundred new alerts a second for a minute, with the page open; fails for a late frame, or a heap that grows.
page-load: install-dev system page
	$(BIN)/python -m tests.support.page_load

# Takes the README's pictures of the page anew, in a browser.
pictures: install-dev system page
	$(BIN)/python -m tests.support.pictures

# Renews the lock files from pyproject.toml, with the hash of every file: what runs, what runs several nodes, all.
lock: install-dev
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11 \
	  pyproject.toml requirements/build.in -o requirements/run.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11 \
	  --extra postgres --extra redis pyproject.toml requirements/build.in -o requirements/nodes.lock
	$(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-emit-index-url --universal --python-version 3.11 \
	  --group dev pyproject.toml requirements/build.in -o requirements/dev.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* tests/node/node_modules web/node_modules web/*/build engine/http/static
