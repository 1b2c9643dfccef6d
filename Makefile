# Five commands: setup, run, check, test, bench. CI uses the same ones (.ci/run).
# Needs Python 3.11 to 3.13 and make; everything else is put into .venv, on demand.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
FUZZ := .venv/.fuzz

export FOLDER SERVER BOARD SEED JOBS
# Tests start hundreds of processes: each of them would compile everything anew.
export PYTHONDONTWRITEBYTECODE =
KILLS ?= 100
SEEDS ?= 200
CASES ?= 100000
MINUTES ?= 600
# Processes of tests wait a good deal for one another: one more of them than cores.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.DEFAULT_GOAL := help
.PHONY: help setup run check test test-real test-arm64 scenarios torture torture-each \
	torture-directory torture-invokeai sim planner bench docs clean

help:
	@echo 'make setup      make .venv with everything that is needed'
	@echo 'make run        mirror a demo; or FOLDER=pictures SERVER=http://127.0.0.1:9090 BOARD=Name'
	@echo 'make check      format, lint, types, layers, references'
	@echo 'make test       the tests, without those marked "real"'
	@echo 'make bench      the benchmarks'
	@echo
	@echo 'make test-real  tests against real InvokeAI servers and killed processes'
	@echo 'make test-arm64 the image for arm64, where that is imitated: half an hour'
	@echo 'make scenarios  ten ways to lose pictures, in full size (in CI it is a fifth)'
	@echo 'make torture    kill daemons at work: KILLS=100 SERVER=directory, invokeai or fake, SEED=n'
	@echo 'make sim        random histories of a simulated world: SEEDS=200 fresh ones, SEED=n only one'
	@echo 'make planner    random cases of the planner alone: CASES=100000'
	@echo 'make docs       write the references that "make check" compares'
	@echo 'make clean      remove what checks, tests and builds leave behind'

setup: $(READY)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo 'Python 3.11 to 3.13 is needed: make setup PYTHON=python3.12' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

$(FUZZ): $(READY)
	$(BIN)/python -m pip install --quiet --group fuzz
	@touch $@

# The values come through the environment, so that any name of a folder or a board works.
run: $(READY)
	$(BIN)/boardsync mirror --samples "$${FOLDER:-demo/pictures}" "$${SERVER:-demo/boards}" \
		$${BOARD:+--board "$$BOARD"}

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m boardsync.config.reference --check docs/settings.md
	$(BIN)/python -m boardsync.cli.reference --check docs/cli.md
	$(BIN)/python -m boardsync.telemetry.reference --check docs/metrics.md
	$(BIN)/python -m boardsync.cli.manual --check docs/boardsync.1

test: $(READY)
	$(BIN)/pytest --numprocesses auto --dist worksteal

test-real: $(FUZZ)
	$(BIN)/pytest -m real --numprocesses $(WORKERS) --dist loadfile

test-arm64: $(READY)
	BOARDSYNC_TEST_ARM64=1 $(BIN)/pytest -m real -rs tests/system/test_container_arm64_real.py

scenarios: $(READY)
	SCENARIO_SCALE=$${SCENARIO_SCALE:-1} $(BIN)/pytest -m 'real or not real' tests/scenarios

torture: $(READY)
	PYTHONPATH=tests $(BIN)/python -m torture --kills $(KILLS) --minutes $(MINUTES) \
		--server "$${SERVER:-directory}" $${SEED:+--seed "$$SEED"}

# `make --jobs 2 torture-each` has both at one time.
torture-each: torture-directory torture-invokeai

torture-directory torture-invokeai: torture-%: $(READY)
	PYTHONPATH=tests $(BIN)/python -m torture --kills $(KILLS) --minutes $(MINUTES) --server $*

sim: $(READY)
	PYTHONPATH=tests $(BIN)/python -m sim --seeds $(SEEDS) $${JOBS:+--jobs "$$JOBS"} \
		$${SEED:+--seed "$$SEED" --verbose}

planner: $(READY)
	PLANNER_CASES=$(CASES) $(BIN)/pytest --numprocesses auto --dist worksteal \
		--hypothesis-show-statistics tests/plan

bench: $(READY)
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/python -m boardsync.config.reference docs/settings.md
	$(BIN)/python -m boardsync.cli.reference docs/cli.md
	$(BIN)/python -m boardsync.telemetry.reference docs/metrics.md
	$(BIN)/python -m boardsync.cli.manual docs/boardsync.1

clean:
	rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
