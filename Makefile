# What there is to do. A verb makes what it needs first and does nothing twice; `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
unexport PYTHONDONTWRITEBYTECODE # or each of some hundred processes compiles all sources again

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))) python3)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
EXAMPLE := schemas/examples/otlp_spans/two-model-calls.json
QUICK := tests/unit tests/laws tests/transcripts
APART := $(QUICK) tests/quality tests/bench
FEWER_RUNS := TAILRACE_SIM_RUNS=$${TAILRACE_SIM_RUNS:-30}

# Stamps in .venv say what is done; each is older than nothing it was made from.
DEPENDENCIES := .venv/stamp-dependencies
PACKAGE := .venv/stamp-package
ENGINES := .venv/stamp-engines
WARM := .venv/stamp-warm
VIEWER := .venv/stamp-viewer
VIEWER_SOURCES := $(wildcard viewer/*.* viewer/icons/* viewer/src/*.* viewer/src/panels/*)
COMPILED := $(shell find pipeline/operators -name "*.py")

.PHONY: help setup viewer viewed demo lint check test engines engineless quality soak bench lock clean

help: ## list the verbs
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r verb what; do printf '  make %-8s %s\n' "$$verb" "$$what"; done

setup: $(ENGINES) $(WARM) ## Python environment, local Kafka and ClickHouse, compiled code; once

viewer: $(VIEWER) ## the viewer of the Grafana boards for `tailrace boards`, with Node.js and npm; once

# A minute of npm, which only the boards in a browser need, so nothing else waits for it or fails with it.
viewed: | .venv/bin/python
	@$(MAKE) viewer || echo 'the viewer of the boards is not built; everything but `tailrace boards` works' >&2

demo: setup viewed ## everything on this machine with made-up traffic; DEMO_SECONDS=90 is how long
	@$(BIN)/tailrace demo

lint: $(PACKAGE)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint ## format, lint, types, imports, unit tests, laws, transcripts; before every commit
	$(FEWER_RUNS) $(PYTEST) -n auto -m "not soak and not slow and not engines" $(QUICK)

test: ## check, then what it leaves out and all tests against real Kafka and ClickHouse
	@$(MAKE) --jobs=2 --output-sync=target setup lint viewed
	@$(MAKE) --jobs=2 engines engineless

# With real engines much is waiting. Tests that need none fill it and step back for them; what they say comes when they are
# over. Files go out in the order of tests/conftest.py: by itself xdist keeps those of few tests, which take longest, for last.
engines:
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -m "not soak" tests $(addprefix --ignore=,$(APART))

engineless:
	@said=$$($(FEWER_RUNS) nice -n 19 $(PYTEST) -n auto -m "not soak and not engines" $(QUICK) 2>&1) || failed=1; \
	echo "$$said"; exit $${failed:-0}

quality: setup ## accuracy against exact answers and independent oracles; prints tables
	$(PYTEST) -m "not soak" -s tests/quality

soak: setup ## long simulations, fuzzing and faults; half an hour or more
	TAILRACE_SIM_RUNS=3000 TAILRACE_FUZZ_EXAMPLES=20000 $(PYTEST) -s -o timeout=3600 tests/laws
	$(PYTEST) -m soak -s -o timeout=3600 tests

bench: setup ## speed on this machine, beside its bounds
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.boards

lock: ## requirements.lock anew from pyproject.toml; newer versions with LOCK=--upgrade; needs uv
	@command -v uv >/dev/null || { echo "uv not found: install it (pipx install uv, or pip install uv)" >&2; exit 1; }
	uv pip compile pyproject.toml --python-version 3.11 --group dev --generate-hashes --no-header --quiet $(LOCK) --output-file requirements.lock

clean: ## stop the local engines; remove .venv, .local with all data, and caches
	@if [[ -x $(BIN)/tailrace && -d .local ]]; then $(BIN)/tailrace local down; fi
	rm -rf viewer/node_modules pipeline/_viewer .venv .local .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
	find pipeline schemas grafana tests -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tailrace needs Python 3.11 or newer; install it, or name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual environment: install its venv package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

$(DEPENDENCIES): requirements.lock | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(PACKAGE): pyproject.toml $(DEPENDENCIES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(ENGINES): deploy/local/kafka/pom.xml pipeline/connectors/local_setup.py $(PACKAGE)
	@$(BIN)/tailrace local setup
	@touch $@

$(VIEWER): $(VIEWER_SOURCES) | .venv/bin/python
	@command -v npm >/dev/null || { echo 'npm not found: the viewer of the boards needs Node.js 20 or newer with npm (Debian, Ubuntu: apt install npm)' >&2; exit 1; }
	@echo 'building the viewer of the boards …' >&2
	@cd viewer && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npm run --silent build
	@touch $@

$(WARM): $(COMPILED) $(EXAMPLE) $(PACKAGE)
	@echo 'compiling the kernels …' >&2
	@$(BIN)/python deploy/warm.py $(EXAMPLE)
	@touch $@
