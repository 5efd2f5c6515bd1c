# The targets install the system packages they need with apt, through sudo
# where not root; `make help` lists them.

PREFIX ?= /usr/local
# Where the programs are, and the manual pages go.
BIN ?= bin
MAN ?= man
# The day that the manual pages are of: the commit's, or SOURCE_DATE_EPOCH's.
DATE ?= $(shell if [ -n "$(SOURCE_DATE_EPOCH)" ]; then date -u -d "@$(SOURCE_DATE_EPOCH)" +%F; \
	else git -c safe.directory='*' log -1 --format=%cs 2>/dev/null || date -u -r go.mod +%F; fi)
# A clone that belongs to someone else must still build.
export GOFLAGS += -buildvcs=false

.DEFAULT_GOAL := build
.PHONY: help build man install demo test torture test-vm bench lint images clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

build: ## build the programs into bin/
	@testdata/deps build
	@testdata/build bin

man: build ## write the manual pages into the folder MAN (man/)
	@"$(BIN)/lpm" manual --date $(DATE) "$(MAN)"

install: build ## install programs, manual and completions below PREFIX (/usr/local), after DESTDIR
	@DESTDIR="$(DESTDIR)" testdata/install "$(BIN)" "$(PREFIX)" $(DATE)

demo: ## the whole loop on redis: record, approve, run, and three refusals
	@testdata/deps demo
	@testdata/demo/run

test: ## every test; as root, also as an ordinary user made for it
	@testdata/deps test
	@testdata/run-tests

torture: ## thousands of launches, kills at random moments, stress inside
	@testdata/deps torture
	@testdata/run-torture

test-vm: ## the kernel tests in a virtual machine with an older kernel and systemd
	@testdata/deps test-vm
	@testdata/vm/run

bench: ## launches, calls, servers and recording beside others', as ratios
	@testdata/deps bench
	@testdata/bench/run

lint: ## check the sources
	@testdata/deps lint
	@.ci/lint

images: ## build the test images into the cache outside the tree
	@testdata/deps images
	@testdata/images/ensure

clean: ## remove what was built in the tree (the caches stay)
	rm -rf bin man
