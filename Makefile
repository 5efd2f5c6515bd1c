# The targets install the system packages they need with apt, through sudo
# where not root; `make help` lists them.

PREFIX ?= /usr/local
# A clone that belongs to someone else must still build.
export GOFLAGS += -buildvcs=false

.DEFAULT_GOAL := build
.PHONY: help build install demo test torture test-vm bench lint images clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

build: ## build the programs into bin/
	@testdata/deps build
	@testdata/build bin

install: build ## install the programs below PREFIX (/usr/local), after DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/lpm
	install bin/lpm $(DESTDIR)$(PREFIX)/bin/
	install bin/lpm-core $(DESTDIR)$(PREFIX)/libexec/lpm/

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
	rm -rf bin
