# Every target sets up what it needs in .venv; nothing but Python 3.11 or later has to be there before.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCKS := .ci/locks
locked = install --quiet --no-deps --require-hashes -r $(LOCKS)/$(1).txt
own = install --quiet --no-deps --no-build-isolation --editable .
# Tests start x07 and pytest thousands of times, which would compile, and rewrite assertions, anew each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: locks recordings right coverage podman programs explore-wire failures rows templates pages public-types docker reliability-redis repeat explore bench-effects help quick arch codes docs help-pages brokers chromium aarch64 x86_64 test demo lint types unit fuzz bench races stability dist-check fmt clean packages

test: lint types arch unit ## everything that must hold: lint, formatting, types, all tests

help: ## say what each target does
	@awk -F ' ?## ' '/^[a-z][a-z0-9_-]*:.*## /{sub(/:.*/, "", $$1); printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

QUICK := tests/msg tests/test_budgets.py tests/asyncapi tests/files tests/rr tests/wire tests/test_codes.py tests/test_errors.py \
	tests/arch/test_own_layers.py tests/arch/test_graph.py tests/arch/test_lexer.py \
	tests/drivers/test_offsets.py tests/drivers/test_golden_replay.py tests/drivers/test_commit_failures.py \
	tests/run/test_options.py tests/run/test_policy.py tests/run/test_hosts.py tests/run/test_report.py tests/sandbox/test_filter.py

COVERED := tests/wire

quick: lint types arch $(STAMP) ## lint, types, layers and the tests that need no root, broker, browser or apt; for while you work
	X07_SKIP_LIVE=1 $(BIN)/pytest -q -n 2 $(QUICK)

coverage: $(STAMP) ## what tests/wire reach of x07py/wire, branches too, without a broker; fails below the floor in pyproject.toml
	rm -rf build/coverage && mkdir -p build/coverage
	X07_SKIP_LIVE=1 COVERAGE_RCFILE=$(CURDIR)/pyproject.toml $(BIN)/coverage run -m pytest -q $(COVERED)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

demo: $(STAMP) ## record a Kafka service once, replay it, compare; FULL=1 for the year, SAMPLE=1 offline
	$(BIN)/python docs/examples/flight_delays/demo.py $(if $(FULL),--full) $(if $(SAMPLE),--sample)

lint: $(STAMP) ## ruff, and the help pages as they should be
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/help_pages.py --check

types: $(STAMP) ## mypy, strict, over the source, the tests and the benches
	$(BIN)/mypy

public-types: ## pyright --verifytypes: each public name of the wheel has one type that every checker reads alike
	rm -rf build/pyright && $(PYTHON) -m venv build/pyright
	build/pyright/bin/pip $(call locked,public-types)
	build/pyright/bin/pip $(own)
	PATH="$$PWD/build/pyright/bin:$$PATH" VIRTUAL_ENV="$$PWD/build/pyright" pyright --verifytypes x07py --ignoreexternal

arch: $(STAMP) ## hold this repository to its own layers and worlds
	$(BIN)/x07 arch check

codes: $(STAMP) ## make docs/reference/codes.md from the code table
	$(BIN)/python .ci/codes_page.py > docs/reference/codes.md

docs: $(STAMP) ## build the documentation site into build/docs; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

help-pages: $(STAMP) ## make x07py/cli/help.json, which answers --help, from the commands
	$(BIN)/python .ci/help_pages.py

RERUNS ?= 1
TEST_SECONDS ?= 900

unit: $(STAMP) $(VENV)/lowest $(VENV)/foreign chromium $(if $(X07_SKIP_LIVE),,brokers) ## all tests, on real brokers; X07_SKIP_LIVE=1 leaves those out that need one
	$(BIN)/pytest -n 4 --dist worksteal --reruns $(RERUNS) --timeout $(TEST_SECONDS) # more than there are cores: many tests wait for brokers

$(VENV)/foreign: $(wildcard tests/wire/clients/go/* tests/wire/clients/node/*) ## clients of Kafka in Go and Node, for the tests
	mkdir -p $@
	cp tests/wire/clients/go/* tests/wire/clients/node/* $@/
	cd $@ && go build -o go-client . && npm ci --silent --no-audit --no-fund
	touch $@

$(VENV)/rows: ## clients of Kafka for Python that take other versions of what is in .venv, for the tests
	$(PYTHON) -m venv $@
	$@/bin/pip $(call locked,rows) || { rm -rf $@; exit 1; }

$(VENV)/lowest: $(STAMP) ## the lowest versions of client libraries that are declared, each beside the newest in .venv
	$(BIN)/pip $(call locked,lowest) --target $@

brokers: $(STAMP) ## install what the live tests need and the machine lacks: RabbitMQ, Java, Maven, Kafka's jars
	.ci/brokers

chromium: ## install the browser that the viewer's tests look at pages with
	.ci/chromium

FUZZ_SECONDS ?= 60
RACE_SECONDS ?= 60
STARTS ?= 1000

fuzz: $(STAMP) ## fuzz each decoder and printer for FUZZ_SECONDS, and 20,000 hostile trees
	X07_FUZZ_TREES=20000 $(BIN)/pytest -q -n 2 tests/files/test_hostile_trees.py
	for name in envelope record document cassette config amqp_frames kafka_request kafka_batches kafka_membership printer shown_cassette; do \
		$(BIN)/python -m tests.fuzz.target $$name -max_total_time=$(FUZZ_SECONDS) -max_len=4000 -timeout=1 -rss_limit_mb=200 || exit 1; done

bench: bench-codecs bench-replay bench-startup bench-arch ## codecs, replay, start-up and imports against peers; results under bench/results

reliability: $(VENV)/.bench brokers ## kill pumps and brokers at random, count 100,000 messages on each broker; hold steady loads on Kafka
	$(BIN)/python -m bench.reliability
	$(BIN)/python -m bench.paced

reliability-redis: $(STAMP) brokers ## kill a pump over Redis Streams 10 times at random, count 20,000 messages
	$(BIN)/python -m bench.redis_streams

soak: $(VENV)/.bench brokers ## pump on both brokers for SOAK_S seconds, 1800 by default; memory must stay flat
	$(BIN)/python -m bench.soak

bench-failures: $(VENV)/.bench brokers ## how long each failure of a broker takes to be told, with the real time limits
	$(BIN)/python -m bench.failures

bench-drivers: $(VENV)/.bench $(VENV)/quix brokers ## publish, consume and latency on both brokers against peers
	$(BIN)/python -m bench.drivers

$(VENV)/quix: $(STAMP)
	$(PYTHON) -m venv $@
	$@/bin/pip $(call locked,quix)

bench-effects: $(STAMP) $(VENV)/effects ## score what effects find on lists of small modules; FOLDER=... for lists of your own
	$(BIN)/python -m bench.effects $(FOLDER) --python $(VENV)/effects

$(VENV)/effects: $(STAMP)
	$(PYTHON) -m venv $@
	$@/bin/pip $(call locked,effects)

stability: $(STAMP) ## replay 100,000 recorded interactions 20 times in solve-rr: one digest, and no network call in the trace (root)
	$(BIN)/python -m bench.stability

bench-explore: $(STAMP) ## how many histories of the worker template a core runs in a second, with 20, 200 and 1,000 inputs
	$(BIN)/python -m bench.explore

bench-cassettes: $(VENV)/.bench ## how rr diff, show and view grow with a cassette
	$(BIN)/python -m bench.cassettes

recordings: $(VENV)/.bench brokers ## record the templates and the example anew, ten times each: the text sides must be alike
	$(BIN)/python -m bench.recordings

bench-viewer: $(VENV)/.bench chromium ## opening, frames, clicks and searches of the viewer's page with 38,000 entries
	$(BIN)/python -m bench.viewer

bench-wire: $(VENV)/.bench brokers ## publish and consume with four clients: by themselves, recorded, replayed
	$(BIN)/python -m compileall -q x07py
	$(BIN)/python -m bench.wire

bench-dropin bench-large bench-sandbox: brokers

bench-%: $(VENV)/.bench
	$(BIN)/python -m bench.$*

$(VENV)/.bench: $(STAMP)
	$(BIN)/pip $(call locked,bench)
	touch $@

aarch64: $(STAMP) ## boot small Debian systems for it under QEMU, and run the sandbox's tests there
	.ci/machines
	$(BIN)/python -m tests.machines aarch64

x86_64: $(STAMP) ## the same for x86_64, with kernels that this machine does not run
	.ci/machines
	$(BIN)/python -m tests.machines x86_64

repeat: $(STAMP) ## replay eighty small programs five times each, and compare with what they print bare
	X07_REPLAYS=5 $(BIN)/pytest -q tests/run/test_small_programs.py

docker: $(STAMP) ## run x07 in real containers of an engine that is started for it, under eight sets of options (root, docker.io)
	command -v dockerd >/dev/null || apt-get install -qq -y --no-install-recommends docker.io
	$(BIN)/python -m tests.machines.containers $(DOCKER_ARGS)

podman: $(STAMP) ## the same in containers of Podman, as root and rootless (root, podman, runc)
	command -v podman >/dev/null || apt-get install -qq -y --no-install-recommends podman runc
	$(BIN)/python -m tests.machines.containers --podman $(DOCKER_ARGS)

EXPLORE_SECONDS ?= 3600

RIGHT_HISTORIES ?= 20000
RIGHT_SEED ?= 1

right: $(STAMP) ## run the programs that are right in RIGHT_HISTORIES histories each, with seeds from RIGHT_SEED on
	$(BIN)/python -m tests.explore.right $(RIGHT_HISTORIES) $(RIGHT_SEED)

explore: $(STAMP) ## run x07py's own pump in histories of both brokers for EXPLORE_SECONDS, an hour by default
	$(BIN)/python -m tests.explore.house $(EXPLORE_SECONDS)

explore-wire: $(STAMP) ## run programs with clients of their own, right ones and wrong ones, in histories over the wire
	X07_CAMPAIGN=1 $(BIN)/pytest -q tests/explore/test_over_the_wire.py

DIFFERENTIAL_SECONDS ?= 1200

differential: brokers $(STAMP) ## compare the simulated brokers with real ones over random operations, for DIFFERENTIAL_SECONDS
	$(BIN)/python -m tests.explore.differential $(DIFFERENTIAL_SECONDS)

rows: $(STAMP) $(VENV)/lowest $(VENV)/foreign $(VENV)/rows brokers ## record and replay every client of the table, also those with an environment of their own, and groups of all kinds
	X07_CAMPAIGN=1 $(BIN)/pytest -q tests/wire/test_clients.py tests/wire/kafka/test_groups.py

failures: $(STAMP) brokers ## brokers that are killed, stand still, or run out of disk under a driver
	X07_CAMPAIGN=1 $(BIN)/pytest -q tests/drivers/test_failures.py

templates: $(STAMP) ## make test of each kind of project that x07 init writes
	X07_CAMPAIGN=1 $(BIN)/pytest -q tests/scaffold/test_init.py -k make_test

pages: $(STAMP) brokers ## run the commands of every page of the documentation, the long ones too
	X07_CAMPAIGN=1 $(BIN)/pytest -q -n 3 tests/docs/test_commands.py

programs: $(STAMP) $(VENV)/programs chromium ## learn of thirteen programs that people run, and run each by what was learned (needs node, git and Go)
	X07_CAMPAIGN=1 $(BIN)/pytest -q --durations=5 tests/run/test_programs.py

$(VENV)/programs: $(STAMP)
	$(PYTHON) -m venv $@
	$@/bin/pip $(call locked,programs) && $@/bin/pip $(own) || { rm -rf $@; exit 1; }

packages: $(STAMP) $(VENV)/managers ## the guide's story by pip and uv in fresh environments, poetry and pdm, a proxy, and 60 kills of add and remove
	X07_CAMPAIGN=1 $(BIN)/pytest -q -s --durations=5 tests/pkg/test_story.py tests/pkg/test_managers.py tests/pkg/test_crash_in_environment.py

$(VENV)/managers: $(LOCKS)/managers.txt ## poetry and pdm, for the tests
	rm -rf $@ && $(PYTHON) -m venv $@
	$@/bin/pip $(call locked,managers) || { rm -rf $@; exit 1; }
	touch $@

starts: $(STAMP) ## start 1,000 programs in each emulated environment and compare what they find with the report
	X07_STARTS=$(STARTS) $(BIN)/pytest tests/sandbox/test_truth.py tests/sandbox/test_environments.py -k "report_claims or doctor"

races: $(STAMP) ## race, flood and try random system calls against the sandbox for RACE_SECONDS each
	X07_RACE_SECONDS=$(RACE_SECONDS) $(BIN)/pytest tests/sandbox/test_attacks.py tests/sandbox/test_supervisor.py \
		tests/sandbox/test_numbers_at_random.py

dist-check: $(STAMP) ## build sdist and wheel, try them in a fresh environment, and run all tests from the sdist; DIST_CHECK=quick leaves the tests out
	.ci/dist_check

fmt: $(STAMP) ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

locks: $(STAMP) ## pin the newest of what development and CI install, with hashes
	.ci/lock

$(STAMP): pyproject.toml $(LOCKS)/dev.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip $(call locked,dev)
	$(BIN)/pip $(own)
	touch $@

clean: ## remove the environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
