# What a developer types. Every step leaves a stamp in .make/, so that it costs nothing when nothing changed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
UV := $(BIN)/uv
MEMBERS := $(sort $(wildcard libs/*/pyproject.toml services/*/pyproject.toml gateway/pyproject.toml cli/pyproject.toml))
TESTS := $(wildcard libs services gateway cli tests)
FIND = $(if $(F),,$(error say which, for example: make $(MAKECMDGOALS) F=R40))

export UV_PYTHON_DOWNLOADS := never
export VIRTUAL_ENV := $(CURDIR)/.venv
# A suite is ten processes, which tests start again and again: what they import is compiled once.
unexport PYTHONDONTWRITEBYTECODE
ifeq ($(wildcard $(HOME)),) # without a home, keep what uv downloads in the checkout
export UV_CACHE_DIR := $(CURDIR)/.make/uv-cache
endif
ifneq ($(PIP_INDEX_URL),) # whoever set a mirror for pip means it for uv too
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.PHONY: help
help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: run
run: setup ## install what is missing, then start the whole suite on this machine
	@exec $(BIN)/crm up

.PHONY: setup
setup: .make/members ## install what `make run` needs
	@$(BIN)/python -m crm_protos.build

.PHONY: dev
dev: setup .make/dev ## install what tests and checks need, too

.PHONY: test
test: dev ## the tests for every change
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long and not bench" $(ARGS) $(TESTS)

.PHONY: test-long
test-long: dev ## the tests too slow for every change
	$(BIN)/pytest -m "long and not bench" $(ARGS) $(TESTS)

.PHONY: bench
bench: dev ## the benchmarks: medians and ratios
	$(BIN)/pytest -s -m bench $(ARGS) $(TESTS)

.PHONY: figure
figure: dev ## show one figure, its number on the last line: make figure F=R40
	@: $(FIND)
	$(BIN)/pytest -s --figure $(F) $(ARGS) $(TESTS)

.PHONY: feature
feature: dev ## run what shows one feature: make feature F=CUS-07
	@: $(FIND)
	$(BIN)/pytest -v --feature $(F) $(ARGS) $(TESTS)

.PHONY: lint
lint: dev ## style, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: dev ## put the code into form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: stubs
stubs: .make/members ## build the stubs of protos/ if they changed
	@$(BIN)/python -m crm_protos.build

.PHONY: migration
migration: dev ## write the migration for changed tables: make migration S=customer M="customers have a nickname"
	@: $(if $(and $(S),$(M)),,$(error say whose tables and what changes: make migration S=customer M="customers have a nickname"))
	@$(BIN)/python -m crm_kit.testing.revision $(S) "$(M)"
	@$(BIN)/ruff check --fix-only --quiet {libs,services}/*/src/*/migrations && $(BIN)/ruff format --quiet {libs,services}/*/src/*/migrations

.PHONY: docs
docs: dev ## write the documents that are made from the contract, the roles and the tests
	@PYTHONPATH=tools $(BIN)/python -m crm_docs

# Locked with hashes and without the address of a registry: any mirror of PyPI can serve them.
COMPILE = env -u PIP_FIND_LINKS -u UV_FIND_LINKS $(UV) pip compile --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" --quiet $(ARGS) \
	$(foreach member,crm-protos crm-kit crm-records,--no-emit-package $(member))
.PHONY: lock
lock: .make/uv ## lock the newest releases allowed (ARGS=--upgrade for newer ones than now)
	@$(COMPILE) $(MEMBERS) requirements/build.in -o requirements/run.txt
	@$(COMPILE) --group pyproject.toml:dev $(MEMBERS) requirements/build.in -c requirements/run.txt -o requirements/dev.txt
	@$(COMPILE) requirements/uv.in -o requirements/uv.txt

.PHONY: clean
clean: ## remove what make made (data in .data/ stays)
	rm -rf .venv .make .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf libs/crm-protos/src/crm libs/crm-protos/src/crm_protos/descriptors.binpb
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

.make/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | head -1)." \
		"Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@mkdir -p .make
	@echo "installing into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.make/run: .make/uv requirements/run.txt
	@$(UV) pip install --quiet --require-hashes -r requirements/run.txt
	@touch $@

.make/members: .make/run $(MEMBERS)
	@$(UV) pip install --quiet --no-deps --no-build-isolation $(foreach member,$(MEMBERS),-e $(dir $(member)))
	@touch $@

.make/dev: .make/members requirements/dev.txt
	@$(UV) pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@
