# Two commands do everything: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8000
PAGE_PORT ?= 8501
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python $(if $(PIP_FIND_LINKS),--find-links "$(PIP_FIND_LINKS)") -c constraints.txt

.PHONY: run test check format help

run: $(VENV)/run.stamp ## install, print the recommendation for a bundled example, serve page and API
	@$(BIN)/advisor demo
	@PORT=$(PORT) PAGE_PORT=$(PAGE_PORT) $(BIN)/python -m ui.serve

test: check ## install what the tests need, and run all of them
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=10

check: $(VENV)/test.stamp ## format, lint, types, import contracts; prints what fails
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo 2>&1 | grep -q 'Contracts: [0-9]* kept, 0 broken' || { $(BIN)/lint-imports --no-logo; exit 1; }

format: $(VENV)/test.stamp ## format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(BIN)/uv:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt uv

$(VENV)/run.stamp: $(BIN)/uv pyproject.toml constraints.txt
	@$(UV) -e '.[ui,trainer]'
	@touch $@

$(VENV)/test.stamp: $(BIN)/uv pyproject.toml constraints.txt
	@$(UV) -e '.[ui,trainer,parquet,local,dev]'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)/openai-1.109 openai==1.109.1
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target $(VENV)/openai-2.8 openai==2.8.1
	@touch $@
