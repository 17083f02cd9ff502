# One spelling for people and for CI. Needs make, a C++20 compiler and Python 3.11 or newer with venv;
# pip fetches the rest. Every step leaves a stamp in .venv, so a second call does only what changed.
PYTHON ?= python3
PRESETS ?= release sanitize
BIN := .venv/bin
SOURCES := CMakeLists.txt pyproject.toml LICENSE $(shell find cmake cpp python -type f -not -name '*.py[co]')

.PHONY: demo test lint docs cpp-test instructions bench performance clean

demo: .venv/installed
	$(BIN)/fleckcore demo

# A file of tests at a time on each core.
test: .venv/installed .venv/group-test
	$(BIN)/pytest --numprocesses auto --dist loadfile

lint: .venv/installed .venv/group-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/installed .venv/group-docs
	$(BIN)/sphinx-build -W --keep-going docs docs/_build/html

# Needs cmake, ninja and doctest: apt-get install cmake ninja-build doctest-dev
cpp-test: $(addprefix cpp-test-,$(PRESETS))

cpp-test-%:
	cmake --preset $*
	cmake --build --preset $*
	ctest --preset $* --parallel 2

# Needs valgrind besides. After a change that is worth its instructions: make instructions COUNTS=--write
instructions:
	cmake --preset release
	cmake --build --preset release
	$(PYTHON) benchmarks/instructions.py build/release/fleck_instructions $(COUNTS)

# A part of it: make bench BENCH="-k 'median_filter and uint16'"; .benchmarks/grid.json keeps the figures.
bench: .venv/installed .venv/group-test
	mkdir -p .benchmarks
	$(BIN)/pytest benchmarks --benchmark-enable --benchmark-json .benchmarks/grid.json $(BENCH)

# Tables and pictures of the documentation, beside the other programs: half an hour of a quiet machine.
performance: .venv/installed .venv/group-test .venv/group-rivals
	mkdir -p .benchmarks
	$(BIN)/fleckcore bench --json .benchmarks/bench.json
	$(BIN)/python benchmarks/scaling.py .benchmarks/scaling.json
	$(BIN)/python benchmarks/render.py docs/performance .benchmarks/bench.json .benchmarks/scaling.json

clean:
	rm -rf .venv build docs/_build docs/api/generated fleckcore-demo
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache

# pip 25.1 is the first that knows dependency groups.
.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fleckcore needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	    "Name another one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv || { echo "apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

# Installed, not editable: tests and benchmarks run what a user gets.
.venv/installed: .venv/created $(SOURCES)
	$(BIN)/python -m pip install --quiet '.[report]'
	touch $@

.venv/group-%: pyproject.toml | .venv/installed
	$(BIN)/python -m pip install --quiet --group $*
	touch $@
