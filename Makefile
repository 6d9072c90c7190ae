# Two commands matter: `make demo` (see it work) and `make test` (check everything).
# Each target makes the virtual environment that it needs; only the package index is used.

PYTHON ?= python3
VENV := .venv
RUN := TF_CPP_MIN_LOG_LEVEL=3 $(VENV)/bin/python
JOBS ?= 2
PYTEST_ARGS ?=
CALLS ?= 100000
TENSORFLOWS ?= 2.16.2 2.18.1 2.20.0 2.21.0
# The native operations are built again whenever one of these changes.
NATIVE_FILES := $(wildcard custom_ops/*/*.cc custom_ops/*/*.h custom_ops/include/*/*.h)

.PHONY: help demo test lint format test-jax test-oldest test-tfmot \
    test-tensorflow fuzz wheel clean

help:
	@echo "make demo         train, prune by phase, export and plot (examples/phase_matters.py)"
	@echo "make test         every test, with the doctests"
	@echo "make lint         ruff: rules and formatting (make format mends)"
	@echo "make test-jax     the tests that hold on every backend, on JAX, without TensorFlow"
	@echo "make test-oldest  every test on Keras 3.5 and TensorFlow 2.16"
	@echo "make test-tfmot   our tf_keras layers under the real TF-MOT, in an environment of their own"
	@echo "make test-tensorflow  the one native library under several versions of TensorFlow"
	@echo "make fuzz         random calls of the native operations under sanitizers (CALLS=1000000)"
	@echo "make wheel        build the wheel into dist/"

demo: $(VENV)/.installed-demo
	$(RUN) examples/phase_matters.py $(DEMO_ARGS)

test: $(VENV)/.installed-dev
	$(RUN) -m pytest -n $(JOBS) --dist loadfile --doctest-modules keras_phase tests $(PYTEST_ARGS)

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# Without TensorFlow on purpose: nothing but the named TensorFlow-only parts may need it. Compiling
# takes most of the time on JAX, so it is told not to optimise. Algebras know no framework.
test-jax: .venv-jax/.installed
	KERAS_BACKEND=jax JAX_DISABLE_MOST_OPTIMIZATIONS=1 .venv-jax/bin/python -m pytest \
	    -n $(JOBS) --dist loadfile -m "not tensorflow and not slow" tests --ignore=tests/algebras \
	    --ignore=tests/test_source_rules.py --ignore=tests/integration/test_install.py \
	    $(PYTEST_ARGS)

test-oldest: .venv-oldest/.installed
	TF_CPP_MIN_LOG_LEVEL=3 .venv-oldest/bin/python -m pytest -n $(JOBS) --dist loadfile \
	    tests $(PYTEST_ARGS)

test-tfmot: $(VENV)/.installed-dev .venv-tfmot/.installed
	KERAS_PHASE_TFMOT_PYTHON=$(CURDIR)/.venv-tfmot/bin/python $(RUN) -m pytest -n $(JOBS) tests/legacy \
	    $(PYTEST_ARGS)

# The library is built once, by the first environment.
test-tensorflow: $(VENV)/.installed-dev $(TENSORFLOWS:%=.venv-tf-%/.installed)
	@set -e; for version in $(TENSORFLOWS); do echo "TensorFlow $$version"; \
	    KERAS_PHASE_NATIVE=require TF_CPP_MIN_LOG_LEVEL=3 .venv-tf-$$version/bin/python -m pytest \
	    -q -n $(JOBS) tests/ops/test_native*.py tests/ops/test_phase_matmul.py $(PYTEST_ARGS); done

# Addresses, leaks and undefined behaviour; then races between four threads that call.
fuzz: $(VENV)/.installed-dev
	$(VENV)/bin/python setup.py -q fuzz
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 build/fuzz-address/fuzz $(CALLS)
	$(VENV)/bin/python setup.py -q fuzz --sanitizer=thread
	TSAN_OPTIONS=halt_on_error=1 build/fuzz-thread/fuzz $$(( $(CALLS) / 4 )) 0 4

wheel: $(VENV)/.installed-dev
	$(VENV)/bin/python -m pip wheel --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) .venv-jax .venv-oldest .venv-tfmot build dist out *.egg-info

# The stamps are newer than setup.py exactly when the environment is up to date with it.
$(VENV)/.installed-demo: setup.py $(NATIVE_FILES)
	$(call environment,$(VENV))
	$(VENV)/bin/python -m pip install -q -e '.[tensorflow,examples]'
	@touch $@

$(VENV)/.installed-dev: setup.py $(NATIVE_FILES)
	$(call environment,$(VENV))
	$(VENV)/bin/python -m pip install -q -e '.[tensorflow,dev]'
	@touch $@ $(VENV)/.installed-demo

.venv-jax/.installed: setup.py
	$(call environment,.venv-jax)
	.venv-jax/bin/python -m pip install -q -e '.[dev]' 'jax[cpu]'
	@touch $@

.venv-oldest/.installed: setup.py $(NATIVE_FILES)
	$(call environment,.venv-oldest)
	.venv-oldest/bin/python -m pip install -q -e '.[tensorflow,dev]' \
	    'keras==3.5.0' 'tensorflow==2.16.2' 'numpy<2'
	@touch $@

.venv-tfmot/.installed: setup.py $(NATIVE_FILES)
	$(call environment,.venv-tfmot)
	.venv-tfmot/bin/python -m pip install -q -e '.[tensorflow,tfmot]'
	@touch $@

.venv-tf-%/.installed: setup.py
	$(call environment,.venv-tf-$*)
	KERAS_PHASE_NATIVE=0 .venv-tf-$*/bin/python -m pip install -q -e '.[dev]' 'tensorflow==$*'
	@touch $@

define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "keras_phase needs Python 3.11 or newer: install it, or name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "$(PYTHON) cannot make virtual environments: install its venv package (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(1)/bin/pip || { echo "making $(1) ..."; $(PYTHON) -m venv $(1); }
endef
