# `make` alone lists the targets. Needed: Python 3.11 or newer, git, make; for the Kafka tests also Java 17 and Maven.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command 'make lock'

FUZZ_S ?= 60

.PHONY: help setup demo test truth judge fuzz evaluate evaluate-full ablation check bench kafka-up kafka-down lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## install everything into .venv, where requirements changed

demo: setup ## run the main job with no broker, and serve the block list (ARGS=--no-serve: end instead)
	@$(BIN)/crible demo $(ARGS)

test: setup ## run all tests; those on a real Kafka broker are skipped where there is no Java or Maven
	$(BIN)/pytest --numprocesses auto -m "not kafka"
	$(BIN)/pytest --numprocesses 2 -m kafka

truth: setup ## read real log lines of others, judged by what their collectors expect
	@$(BIN)/python -m tests.truth

judge: setup ## the same, then the speed of ingest and gate, each against its floor
	@$(BIN)/python -m tests.judge

fuzz: setup ## throw texts at all of ingest for FUZZ_S=60 seconds (Linux on x86-64)
	@$(BIN)/python -m tests.fuzz -max_total_time=$(FUZZ_S) -verbosity=0 -print_final_stats=1

evaluate: setup ## play the incident of April 2022 in a closed loop, and judge what was refused and raised (ARGS=--help)
	@$(BIN)/python -m tests.incident $(ARGS)

ablation: setup ## play the same with ever more of the mechanisms: ARGS="--accounts 2000" takes two minutes on two cores
	@$(BIN)/python -m tests.ablation $(ARGS)

evaluate-full: setup ## the same with 200,000 accounts, and after two weeks of poisoning: takes long
	@$(BIN)/python -m tests.incident --accounts 200000 --poisoned $(ARGS)

check: setup ## lint, format, types, layering, doctests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest --doctest-modules models streams simulator

bench: setup ## measure speed and memory, as JSON
	@$(BIN)/crible bench

kafka-up: setup ## start a one-node Apache Kafka on 127.0.0.1:9092
	@$(BIN)/crible kafka up

kafka-down: setup ## stop it; its data stays
	@$(BIN)/crible kafka down

lock: setup ## pin the newest versions of what the .in files ask for
	$(COMPILE) --upgrade requirements-uv.in --output-file requirements-uv.txt
	$(COMPILE) --upgrade requirements.in --output-file requirements.txt
	$(COMPILE) --upgrade requirements-dev.in --output-file requirements-dev.txt

$(INSTALLED): pyproject.toml requirements-uv.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install --require-hashes --only-binary :all: -r requirements-uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
