# Every target sets up what it needs in .venv; nothing but Python 3.11 or later has to be there before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: arch codes docs help-pages brokers chromium aarch64 x86_64 test demo lint types unit fuzz bench races stability fmt clean

test: lint types arch unit ## everything that must hold: lint, formatting, types, all tests

demo: $(STAMP) ## record a Kafka service once, replay it, compare; FULL=1 for the year, SAMPLE=1 offline
	$(BIN)/python docs/examples/flight_delays/demo.py $(if $(FULL),--full) $(if $(SAMPLE),--sample)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/help_pages.py --check

types: $(STAMP)
	$(BIN)/mypy

arch: $(STAMP) ## hold this repository to its own layers and worlds
	$(BIN)/x07 arch check

codes: $(STAMP) ## make docs/reference/codes.md from the code table
	$(BIN)/python .ci/codes_page.py > docs/reference/codes.md

docs: $(STAMP) ## build the documentation site into build/docs; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

help-pages: $(STAMP) ## make x07py/cli/help.json, which answers --help, from the commands
	$(BIN)/python .ci/help_pages.py

unit: $(STAMP) chromium $(if $(X07_SKIP_LIVE),,brokers)
	$(BIN)/pytest -n 3 # on two cores too: many tests wait for brokers

brokers: $(STAMP) ## install what the live tests need and the machine lacks: RabbitMQ, Java, Maven, Kafka's jars
	.ci/brokers

chromium: ## install the browser that the viewer's tests look at pages with
	.ci/chromium

FUZZ_SECONDS ?= 60
RACE_SECONDS ?= 60

fuzz: $(STAMP) ## fuzz each decoder for FUZZ_SECONDS
	for name in envelope record document cassette config; do \
		$(BIN)/python -m tests.fuzz.target $$name -max_total_time=$(FUZZ_SECONDS) -max_len=4000 || exit 1; done

bench: bench-codecs bench-replay bench-startup bench-pkg bench-arch ## codecs, replay, start-up, packages and imports against peers; results under bench/results

reliability: $(VENV)/.bench brokers ## kill pumps and brokers at random, then count 100,000 messages on each broker
	$(BIN)/python -m bench.reliability

soak: $(VENV)/.bench brokers ## pump on both brokers for SOAK_S seconds, 1800 by default; memory must stay flat
	$(BIN)/python -m bench.soak

bench-failures: $(VENV)/.bench brokers ## how long each failure of a broker takes to be told, with the real time limits
	$(BIN)/python -m bench.failures

bench-drivers: $(VENV)/.bench $(VENV)/quix brokers ## publish, consume and latency on both brokers against peers
	$(BIN)/python -m bench.drivers

$(VENV)/quix: $(STAMP)
	$(PYTHON) -m venv $@
	$@/bin/pip install --quiet 'quixstreams>=3.28,<4'

stability: $(STAMP) ## replay 100,000 recorded interactions 20 times in solve-rr: one digest, and no network call in the trace (root)
	$(BIN)/python -m bench.stability

bench-viewer: $(VENV)/.bench chromium ## frames, clicks and searches of the viewer's page with 10,000 entries
	$(BIN)/python -m bench.viewer

bench-%: $(VENV)/.bench
	$(BIN)/python -m bench.$*

$(VENV)/.bench: $(STAMP)
	$(BIN)/pip install --quiet --group bench
	touch $@

aarch64: $(STAMP) ## boot small Debian systems for it under QEMU, and run the sandbox's tests there
	.ci/machines
	$(BIN)/python -m bench.machines aarch64

x86_64: $(STAMP) ## the same for x86_64, with kernels that this machine does not run
	.ci/machines
	$(BIN)/python -m bench.machines x86_64

races: $(STAMP) ## race and flood the sandbox for RACE_SECONDS each
	X07_RACE_SECONDS=$(RACE_SECONDS) $(BIN)/pytest tests/sandbox/test_attacks.py tests/sandbox/test_supervisor.py

fmt: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --editable '.[kafka,amqp]' --group dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
