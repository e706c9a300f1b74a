# semscheck. `make` alone shows what there is.

VENV ?= .venv
BIN = $(VENV)/bin
SCENARIO ?=
# Without compiled files every worker and every command that a test starts compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test quick lint docs docs-check figures mutants bench accuracy fuzz soak clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

# A stamp says which project file an environment was made for; a changed one updates it.
$(VENV)/.for-use: pyproject.toml
	@.ci/venv $(VENV) .
	@touch $@

$(VENV)/.for-work: pyproject.toml
	@.ci/venv $(VENV) '.[dev]'
	@touch $@ $(VENV)/.for-use

.PHONY: debian
debian:
	@.ci/debian make $$(sed 's/#.*//' tests/rig/debian-packages.txt)

demo: $(VENV)/.for-use ## a check of a broken cluster, embedded; SCENARIO=NAME for another one
	@$(BIN)/semscheck demo $(SCENARIO) || case $$? in 1|2) echo "(exit code $$?, as monitoring plugins have it)" ;; *) exit $$? ;; esac

# Tests on real servers wait more than they compute: more of them than a small machine has processors.
WORKERS ?= 4
test: debian $(VENV)/.for-work ## everything: style, types, directions, generated pages, links, all tests
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint docs-check site
	@$(MAKE) --no-print-directory other-days
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# What runs without sockets and servers, with the clock of the whole process set to other days. The library's sleep
# fails where the monotonic clock is left alone, so that tests which start processes stay out.
PURE = analysis comparison model profile redaction report rules sampling
FAKETIME = $(firstword $(wildcard /usr/lib/*/faketime/libfaketime.so.1))
.PHONY: other-days
other-days: $(VENV)/.for-work ## the pure tests again, a year and a half ahead and in the year 2019
ifeq ($(FAKETIME),)
	@echo "other days: not tried, libfaketime is not installed" && [ "$$CI" != true ]
else
	@for day in +548d '@2019-02-28 23:30:00'; do \
	    echo "on another day: $$day" && \
	    TZ=UTC LD_PRELOAD=$(FAKETIME) FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME="$$day" HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n 2 \
	        -m 'not real and not slow' -k 'not imports_nothing_heavy' $(PURE:%=tests/%) || exit; \
	done
endif

quick: $(VENV)/.for-work ## what needs no real servers and no patience: under a minute
	@$(BIN)/ruff check --quiet .
	@HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not real and not slow'

.PHONY: style types
lint: style types ## style, types, and who may import whom

style: $(VENV)/.for-work
	@echo "ruff" && $(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "vulture" && $(BIN)/vulture
	@echo "import-linter" && $(BIN)/lint-imports > $(VENV)/lint-imports.log 2>&1 || { cat $(VENV)/lint-imports.log; exit 1; }

types: $(VENV)/.for-work
	@echo "mypy" && $(BIN)/mypy --no-error-summary

docs: $(VENV)/.for-work ## writes the generated pages again
	@$(BIN)/python docs/generate.py

.PHONY: pictures
pictures: $(VENV)/.for-work ## draws the pictures of the documentation again
	@$(BIN)/python docs/pictures.py

docs-check: $(VENV)/.for-work ## says which generated pages are stale
	@echo "generated pages" && $(BIN)/python docs/generate.py --check

figures: $(VENV)/.for-work ## about the code: lines, functions, folders, circles; SINCE=REVISION for what changed
	@$(BIN)/python -m tests.figures $(SINCE)

COUNT ?= 60
mutants: $(VENV)/.for-work ## whether faults are noticed: COUNT changes at random (SEED), each with the quick tests near it
	@$(BIN)/python -m tests.mutation --count $(COUNT) --seed $(or $(SEED),1)

.PHONY: site
site: $(VENV)/.for-work ## the documentation as a site in build/site; fails where a link or an anchor leads nowhere
	@echo "site" && NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --clean 2> $(VENV)/site.log || { cat $(VENV)/site.log; exit 1; }

bench: $(VENV)/.for-work ## the figures, as ratios in one run
	@$(BIN)/python -m tests.bench

accuracy: $(VENV)/.for-work ## the confusion table over lab worlds, in docs/accuracy.md
	@$(BIN)/python -m tests.accuracy --out docs/accuracy.md

SECONDS ?= 60
fuzz: $(VENV)/.for-work ## hostile input for every reader; SECONDS=3600 for longer, SEED=N for the same again
	@$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

soak: $(VENV)/.for-work ## the exporter over 2,000 probes with clients of all kinds beside: memory and latency
	@$(BIN)/python -m tests.bench exporter_soak

include packaging/packaging.mk

clean: ## everything that was made here
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
