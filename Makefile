# Every target makes .venv itself. `make demo` and `make test` are all that a fresh machine needs.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed
WORKLOAD ?= chest_xray

.PHONY: help demo test test-quick lint bench clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(INSTALLED) ## the main job, end to end, on invented patients (about 3 minutes after installation)
	@PATH="$(CURDIR)/$(BIN):$$PATH" medpipe run $(WORKLOAD) > /dev/null

test: lint ## everything that CI runs
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadscope

test-quick: $(INSTALLED) ## what is quick, for the loop of writing
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadscope -m "not slow and not real"

lint: $(INSTALLED) ## format, lint, types, forbidden imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# load.py, steady.py and year.py take many minutes and are run by hand; the others are parts.
BENCHES := $(filter-out $(addprefix bench/,hospital.py load.py machine.py peers.py simulated_year.py steady.py year.py),$(wildcard bench/*.py))
bench: $(INSTALLED) ## every claim of speed and memory, measured against a peer; prints tables
	@for script in $(BENCHES); do echo "== $$script"; PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $$script || exit 1; done

clean: ## remove what the pipeline made here, keys and data included; keeps .venv
	rm -rf data models reports .medpipe .dvc/cache .dvc/tmp dvc.lock

# uv is five times faster than pip but does not read pip's settings, so they are handed on.
$(INSTALLED): pyproject.toml constraints.txt hatch_build.py
	$(PYTHON) -m venv .venv
	@set -e; setting() { $(BIN)/python -m pip config get "$$1" 2>/dev/null || true; }; \
	links="$${PIP_FIND_LINKS:-$$(setting global.find-links)}"; \
	index="$${PIP_INDEX_URL:-$$(setting global.index-url)}"; \
	echo "installing what constraints.txt pins (a few minutes, once)"; \
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv \
	&& env $${links:+UV_FIND_LINKS="$$links"} $${index:+UV_DEFAULT_INDEX="$$index"} $${PIP_CERT:+SSL_CERT_FILE="$$PIP_CERT"} \
	  $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]' \
	|| $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
