# Two commands are all a user needs: `make demo` and `make test`. Each makes .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pennylane-qiskit needs releases of Qiskit that are older than those of the main environment.
PLUGIN_VENV := .venv-pennylane-qiskit
LOWEST_VENV := .venv-lowest
PLAIN_VENV := .venv-plain
JOBS ?= 2

# Small matrices everywhere: more BLAS threads than processes only get in each other's way.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
FRAME := pyproject.toml constraints.txt

.PHONY: help install demo test test-long test-wheel test-lowest test-pennylane-qiskit docs lint check lock bench clean

help:
	@echo "make demo       install, then run the quickstart experiment into runs/quickstart"
	@echo "make test       install the test tools, then run the test suite"
	@echo "make test-long  run the tests that are too long for make test"
	@echo "make lint       ruff, mypy, vulture, deptry"
	@echo "make docs       build the documentation site into build/docs/html; whatever is amiss with it is an error"
	@echo "make check      make lint, then make test"
	@echo "make test-wheel             install the wheel into an empty environment without pins, and use it"
	@echo "make test-lowest            run the unit tests on the lowest versions that pyproject.toml allows"
	@echo "make test-pennylane-qiskit  run the tests of the PennyLane cross-check beside the plugin pennylane-qiskit"
	@echo "make lock       pin the newest versions that work together"
	@echo "make install    make .venv and install the package"
	@echo "make bench      run the benchmarks"

# The stamps are written last: an interrupted install is done again, a finished one is not.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "qkd-qiskit needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.made $(FRAME)
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.core
	$(INSTALL) --editable '.[test,all]'
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	$(INSTALL) --editable '.[dev,all]'
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	$(INSTALL) --editable '.[docs,pennylane]'
	@touch $@

install: $(VENV)/.core

demo: install
	$(BIN)/qkd-qiskit run quickstart --output runs/quickstart --overwrite

test: $(VENV)/.test
	$(BIN)/python -m pytest -m 'not long' -n $(JOBS) --dist worksteal

test-long: $(VENV)/.test
	@# Status 5 means that no test is marked long, which is no failure.
	$(BIN)/python -m pytest -m long -n $(JOBS) --dist worksteal || [ $$? -eq 5 ]

$(PLUGIN_VENV)/.test: pyproject.toml constraints-pennylane-qiskit.txt
	$(PYTHON) -m venv $(PLUGIN_VENV)
	$(PLUGIN_VENV)/bin/python -m pip install --quiet --constraint constraints-pennylane-qiskit.txt --editable '.[test,pennylane-qiskit]'
	@touch $@

test-pennylane-qiskit: $(PLUGIN_VENV)/.test
	$(PLUGIN_VENV)/bin/python -m pytest tests/unit/interop/test_crosscheck.py tests/integration/test_crosscheck_command.py \
	  -m 'not long' -n $(JOBS) --dist worksteal
	@# Were the plugin not there, its tests would be skipped; this fails.
	$(PLUGIN_VENV)/bin/qkd-qiskit crosscheck --require 'PennyLane converted' --require 'PennyLane on qiskit.aer'

# A user's plain `pip install`: no pins, no test tools, an empty folder.
test-wheel: $(VENV)/.made
	rm -rf $(PLAIN_VENV) build/wheel build/empty && mkdir -p build/empty
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(PYTHON) -m venv $(PLAIN_VENV)
	$(PLAIN_VENV)/bin/python -m pip install --quiet build/wheel/*.whl
	cd build/empty && ../../$(PLAIN_VENV)/bin/python ../../tests/smoke.py ../../tests/integration/tiny.toml

# The lowest versions of what pyproject.toml names, the newest of what those need. Warnings of old releases are theirs.
$(LOWEST_VENV)/.test: $(VENV)/.dev
	rm -rf $(LOWEST_VENV)
	$(BIN)/uv venv --quiet --python $(BIN)/python $(LOWEST_VENV)
	$(BIN)/uv pip install --quiet --python $(LOWEST_VENV)/bin/python --resolution lowest-direct \
	  --constraint constraints-lowest.txt --editable '.[test,all]'
	@touch $@

test-lowest: $(LOWEST_VENV)/.test
	$(LOWEST_VENV)/bin/python -m pytest tests/unit -m 'not long' -W default -n $(JOBS) --dist worksteal

# Executed tutorials are kept in build/docs/cells; what has not changed is not executed again.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -j $(JOBS) -b html -d build/docs/trees docs build/docs/html
	@echo "build/docs/html/index.html"

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/deptry .

check: lint
	$(MAKE) test

# Names and versions only, as resolved for this Python.
LOCK := $(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header
lock: $(VENV)/.dev
	$(LOCK) --extra all --extra dev --extra docs --extra bench --output-file constraints.txt pyproject.toml
	$(LOCK) --extra test --extra pennylane-qiskit --constraint constraints-lowest.txt \
	  --output-file constraints-pennylane-qiskit.txt pyproject.toml

bench: $(VENV)/.test
	$(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' -q -s -p no:xdist

clean:
	rm -rf $(VENV) $(PLUGIN_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
