# Every target here works on a fresh machine with Python 3.11+ and make. `make` alone lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCH  := .venv-bench
AUDIT  := .venv-audit
SERVERS := .venv-servers
SITE   := .venv-docs
BUILD_SITE = NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --strict --quiet

.DEFAULT_GOAL := help
.PHONY: environments chaos soak fuzz audit template-check wire help setup demo demo-aws chat test check unit kills sim mutations model docs bench lock clean console browser drawings recording

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 16

setup: $(READY) $(SERVERS)/.ready  ## Make .venv with everything, from the lock file

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("outlive needs Python 3.11 or newer; set PYTHON=python3.12, say" if sys.version_info < (3, 11) else 0)'
	@echo "Installing into $(VENV), from the lock file: a minute or three, the first time only."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src  # a third of what `outlive --help` takes, where Python may not keep it by itself
	@touch $@

# Servers that the tests start and that need other versions of our own libraries.
$(SERVERS)/.ready: requirements/servers.txt
	$(PYTHON) -m venv $(SERVERS)
	$(SERVERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/servers.txt
	@touch $@

demo: $(READY)  ## See an agent keep everything while its workers are thrown away
	@$(BIN)/outlive demo

demo-aws: $(READY) $(SERVERS)/.ready  ## See the AWS deployment at work on this machine: no cloud, no Docker, no key
	@$(BIN)/python -m scripts.demo_aws

chat: $(READY)  ## Talk to an agent in the terminal
	@$(BIN)/outlive chat

# The environments are made at the same time, and the checks, which use one core, run beside the tests. What the checks
# say comes at the end, where it is seen.
test:  ## Run the static checks and all tests
	@$(MAKE) --no-print-directory -j4 environments
	@mkdir -p build
	@$(MAKE) --no-print-directory check >build/check.log 2>&1 & checks=$$!; \
	  $(MAKE) --no-print-directory unit; tested=$$?; \
	  wait $$checks; checked=$$?; cat build/check.log; exit $$((tested || checked))

environments: $(READY) $(SERVERS)/.ready $(SITE)/.ready browser

check: $(READY) $(SITE)/.ready  ## Run the static checks: ruff, mypy, import rules, generated docs, the site
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/generate_docs.py --check
	$(BIN)/python scripts/build_console.py --check
	$(BIN)/python scripts/draw_diagrams.py --check
	$(BUILD_SITE)

# pytest rewrites each file of tests once, and each of its workers would do so by itself: the first line keeps the result.
unit: $(READY) $(SERVERS)/.ready browser  ## Run the tests
	@mkdir -p build
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq >build/collected.log 2>&1 || { cat build/collected.log; exit 1; }
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist loadscope --no-loadscope-reorder

# Where it cannot be installed, the console's tests say that they were left out.
browser:  ## Install Debian's Chromium for the console's tests, where there is none and we may
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	} || echo "There is no Chromium here, and none could be installed: the console's browser tests are left out."

console: $(READY)  ## Build the web console into the package (needs Node.js 20.19 or newer)
	$(BIN)/python scripts/build_console.py

drawings: $(READY)  ## Draw the docs' diagrams as SVG (needs Node.js and Chromium)
	$(BIN)/python scripts/draw_diagrams.py

recording: $(READY)  ## Record the demo as the README's moving picture (on a quiet machine: its seconds are in it)
	$(BIN)/python scripts/record_demo.py

kills: $(READY)  ## Kill workers at 500 random moments (KILLS=n for another number, OUTLIVE_TEST_SEED=n for a run again)
	OUTLIVE_TEST_KILLS=$(or $(KILLS),500) $(BIN)/python -m pytest tests/e2e/test_random_kills.py tests/e2e/test_server_kills.py -s --timeout 3600

sim: $(READY)  ## Run 100,000 simulated histories (SEEDS=n, START=n for the first seed, SET=controls or late-creations)
	$(BIN)/python -m outlive.testing.simulation --seeds $(or $(SEEDS),100000) --start $(or $(START),0) $(if $(SET),--$(SET))

mutations: $(READY)  ## Prove that the simulation finds each deliberate fault in the engine (SEEDS=n histories each)
	$(BIN)/python -m outlive.testing.simulation --mutations --seeds $(or $(SEEDS),1000)

model: $(READY)  ## Check the model of lease and commit exhaustively (needs spin and gcc, and says how to get them)
	$(BIN)/python scripts/check_model.py

chaos: $(READY) $(SERVERS)/.ready  ## Kill workers 1,000 times on each kind of store and count (KILLS=n, FAMILY=sqlite|servers|aws, SEED=n, LONGEST=seconds, MINUTES=n)
	$(BIN)/python -m tests.chaos --kills $(or $(KILLS),1000) $(addprefix --family ,$(FAMILY)) $(addprefix --seed ,$(SEED)) $(addprefix --longest ,$(LONGEST)) $(addprefix --minutes ,$(MINUTES))

soak: $(READY)  ## Ten minutes at 50 messages a second to 10,000 sessions (MINUTES=n, RATE=n, SESSIONS=n)
	CHAOS_PACE=0.002 $(BIN)/python -m tests.chaos.soak --minutes $(or $(MINUTES),10) --rate $(or $(RATE),50) --sessions $(or $(SESSIONS),10000)

fuzz: $(READY)  ## Feed every parser 5,000 broken documents (FUZZ=n)
	OUTLIVE_TEST_FUZZ=$(or $(FUZZ),5000) $(BIN)/python -m pytest tests/security/test_fuzz.py -n 2 --timeout 3600

audit: $(READY)  ## Look for known vulnerabilities in the locked packages (asks the advisory service: needs the network)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(AUDIT)/bin/pip-audit --require-hashes --disable-pip -r requirements/dev.txt

docs: $(READY) $(SITE)/.ready  ## Write the generated parts of the docs anew, and build the site into build/site
	$(BIN)/python scripts/generate_docs.py
	$(BUILD_SITE)
	@echo "Open build/site/index.html"

$(SITE)/.ready: requirements/docs.txt
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/docs.txt
	@touch $@

# SMALL=1 runs every part of the benchmark once, to prove that all of it works here: its times say nothing.
ifdef SMALL
FIGURES  := build/small
PICTURES := build/small
RUN_ALL  := --sizes 10 --turns 2 --rounds 1
RUN_AWS  := $(RUN_ALL)
RUN_LONG := $(RUN_ALL)
RATES    := --workers 1 2 --turns 5
STARTS   := --rounds 1
AGENT    := --megabytes 0.1 --rounds 1
DELIVERY := --messages 48
CONSOLE  := --sessions 100 --turns 2 --rounds 1
else
FIGURES  := build
PICTURES := docs/benchmarks
RUN_AWS  := --turns 6 --rounds 2
RUN_LONG := --sizes 50000 --turns 4 --rounds 1
endif

bench: $(READY) $(BENCH)/.ready $(SERVERS)/.ready  ## Measure requests, bytes and time beside the peers; SMALL=1: try every part
	@mkdir -p $(FIGURES)
	$(BIN)/python -m bench run --on embedded redis postgres $(RUN_ALL) --json $(FIGURES)/bench.json
	$(BIN)/python -m bench run --on aws $(RUN_AWS) --json $(FIGURES)/bench-aws.json
	$(BIN)/python -m bench run --on aws --only outlive-aws --only outlive-aws-compacted $(RUN_LONG) --json $(FIGURES)/bench-aws-long.json
	$(BIN)/python -m bench plot $(FIGURES)/bench.json $(FIGURES)/bench-aws.json --folder $(PICTURES)
	$(BIN)/python -m bench throughput --on embedded postgres aws $(RATES) --json $(FIGURES)/bench-throughput.json --flames $(PICTURES)/flames.svg
	$(BIN)/python -m bench startup $(STARTS) --json $(FIGURES)/bench-startup.json
	$(BIN)/python -m bench agent $(AGENT) --json $(FIGURES)/bench-agent.json
	$(BIN)/python -m bench delivery $(DELIVERY) --json $(FIGURES)/bench-delivery.json
	$(BIN)/python -m bench console $(CONSOLE) --json $(FIGURES)/bench-console.json
	$(BIN)/python -m bench bars $(FIGURES)/bench.json $(FIGURES)/bench-aws.json $(FIGURES)/bench-aws-long.json $(FIGURES)/bench-agent.json

$(BENCH)/.ready: bench/requirements/peers.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements/peers.txt
	@touch $@

lock: $(READY)  ## Resolve the lock files anew (needs uv)
	uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/dev.txt
	uv pip compile requirements/servers.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/servers.txt
	uv pip compile requirements/docs.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o requirements/docs.txt
	uv pip compile bench/requirements/peers.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q -o bench/requirements/peers.txt

wire: $(READY) $(SERVERS)/.ready  ## Count requests and bytes on DynamoDB and S3 at 10, 100 and 1,000 messages
	OUTLIVE_TEST_MESSAGES="$(or $(MESSAGES),10 100 1000)" $(BIN)/python -m pytest tests/aws/test_budgets.py --timeout 900 -s

TEMPLATE := .venv-template

template-check: $(TEMPLATE)/.ready  ## Check the AWS template with cfn-lint, SAM and checkov, offline
	$(TEMPLATE)/bin/cfn-lint deploy/aws/template.yaml
	cd deploy/aws && SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 ../../$(TEMPLATE)/bin/sam validate --lint
	$(TEMPLATE)/checkov/bin/checkov --skip-download --config-file deploy/aws/.checkov.yaml -f deploy/aws/template.yaml

# The lock file is whole; pip refuses a dependency with extras (boto3[crt]) as one without a hash, so it looks for none.
$(TEMPLATE)/.ready: requirements/template.txt requirements/checkov.txt
	$(PYTHON) -m venv $(TEMPLATE)
	$(TEMPLATE)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/template.txt
	$(PYTHON) -m venv $(TEMPLATE)/checkov
	$(TEMPLATE)/checkov/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/checkov.txt
	@touch $@

# What producer and dispatcher need, and nothing else: `sam build` calls this with the folder to fill.
PRODUCER := __init__.py errors.py core aws/__init__.py aws/envelope.py channels/__init__.py channels/names.py channels/telegram/__init__.py \
  $(addprefix channels/telegram/,addressing.py commands.py content.py decisions.py parse.py rules.py webhook.py) \
  $(addprefix channels/slack/,__init__.py commands.py content.py decisions.py interactive.py parse.py rules.py webhook.py) \
  entrypoints/__init__.py $(addprefix entrypoints/aws_lambda/,__init__.py handler.py intake.py calling.py sending.py \
  records.py invoking.py slack.py webhook.py telegram.py dispatching.py)

.PHONY: build-ProducerFunction build-DispatcherFunction
build-ProducerFunction build-DispatcherFunction:
	@mkdir -p "$(ARTIFACTS_DIR)/outlive"
	@tar -C src/outlive -cf "$(ARTIFACTS_DIR)/part.tar" --exclude __pycache__ $(PRODUCER)
	@tar -C "$(ARTIFACTS_DIR)/outlive" -xf "$(ARTIFACTS_DIR)/part.tar" && rm "$(ARTIFACTS_DIR)/part.tar"

clean:  ## Remove the environments and caches
	rm -rf $(VENV) $(BENCH) $(AUDIT) $(SERVERS) $(TEMPLATE) $(SITE) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
