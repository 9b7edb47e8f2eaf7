# `make` lists what there is. Everything runs in .venv, which is made when it is missing and refreshed when pyproject.toml changes.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# Nothing is compiled: a machine with Python, make and git is enough.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --only-binary :all:
# Tests run in a few processes, each with its own server; more than four would only fight for the disk.
PROCESSES ?= auto
TEST_FLAGS ?=
TESTS ?=

RUN := $(VENV)/.installed-run
ALL := $(VENV)/.installed-all
BENCH := .venv-bench/.installed
BENCH_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test check bench format ci matrix clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(RUN) ## a shop's events flow through real worker processes, one of which is killed (DEMO_KEEP=1 keeps it up)
	@$(BIN)/python -m examples.shop.demo

test: $(ALL) ## all tests, against real servers (TESTS=tests/broker for some; BGJOBS_TEST_SERVER=embedded|path|URL)
	@$(BIN)/python -m pytest -n $(PROCESSES) --maxprocesses 4 $(TEST_FLAGS) $(TESTS)

check: $(ALL) ## format, lint, types, imports, sizes, words, and deploy/ where promtool is installed
	@BIN=$(BIN) checks/all

bench: $(BENCH) ## speed beside that of others, half an hour on a quiet machine (BENCH_FLAGS="--peers bgjobs,BullMQ --scenarios drain-1")
	@.venv-bench/harness/bin/python -m bench $(BENCH_FLAGS)

format: $(ALL) ## put every file into the form that `make check` wants
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

ci: ## everything, with nothing left out: installs Debian packages (Debian or Ubuntu, as root or with sudo)
	.ci/run

matrix: ## broker and worker tests on every Python and every kind of server found here
	checks/matrix

clean: ## delete what these targets made
	rm -rf $(VENV) .venv-* dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN): $(BIN)/python pyproject.toml
	$(PIP) --editable '.[fast,cel,embedded,dev]'
	@touch $@

$(ALL): $(BIN)/python pyproject.toml
	$(PIP) --editable '.[check]'
	@touch $@ $(RUN)

$(BENCH): bench/environments.py bench/node/package-lock.json $(wildcard bench/requirements/*.txt)
	$(PYTHON) bench/environments.py
	@touch $@
