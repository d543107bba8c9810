# Two commands: `make run` and `make test`. Both need Python 3.11 or newer and make, nothing else.
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help run test explore check bench format golden clean

help: ## what can be done here
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: ## install, start the connector with its embedded default and show a document going through (ARGS=--once: show and exit)
	@sh .ci/environment $(VENV)
	@exec $(BIN)/connector demo $(ARGS)

test: ## install with the test tools and run every test (ARGS are passed to pytest)
	@sh .ci/environment $(VENV) dev
	@$(BIN)/python -m pytest -q -n auto --dist worksteal --ignore tests/journey $(ARGS) $(if $(ARGS),|| test $$? -eq 5)
	@$(BIN)/python -m pytest -q tests/journey $(ARGS) $(if $(ARGS),|| test $$? -eq 5)

explore: ## try the laws with new random examples (make test tries the same ones each time)
	@sh .ci/environment $(VENV) dev
	@EXPLORE=1 $(BIN)/python -m pytest -q -n auto --dist worksteal tests/property tests/unit tests/hostile $(ARGS)

check: ## lint, format, types, import contracts
	@sh .ci/environment $(VENV) dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy connector
	@$(BIN)/lint-imports

bench: ## the benchmarks: ours, the peers that pip can install, and the floor, in one run
	@sh .ci/environment $(VENV) dev
	@$(BIN)/python -m tests.bench $(ARGS)

format: ## format the code
	@sh .ci/environment $(VENV) dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

golden: ## write what the golden cases expect anew; then read the difference as if it were code
	@sh .ci/environment $(VENV) dev
	@$(BIN)/python -m pytest -q tests/golden tests/house/test_mapping_schema.py --update-golden $(ARGS)

clean: ## remove the environment and what the demo wrote
	@rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
