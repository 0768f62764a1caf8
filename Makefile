# What people type. `make` alone lists it.
#
# Tests run unoptimised: they wait for Open vSwitch and for packets, not for Heddle, and the build is what takes long.

CARGO ?= cargo

.PHONY: help demo test fuzz bench man install-deps clean-lab

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

demo: install-deps ## two hosts, four kinds of network: who reaches whom (KEEP=1 leaves it running)
	@$(CARGO) build --quiet --release --bins --example demo
	@$(CARGO) run --quiet --release --example demo

test: install-deps ## all tests, and ten seconds of fuzzing a target; those of the lab need root
	@$(CARGO) test --quiet --no-run
	$(CARGO) test --quiet
	@scripts/fuzz.sh 10

fuzz: install-deps ## fuzzing, FUZZ_SECONDS (600) for each target of fuzz/
	@scripts/fuzz.sh $(or $(FUZZ_SECONDS),600)

bench: ## the benchmarks; docs/BENCHMARKS.md says what they mean
	$(CARGO) bench

man: ## manual pages and shell completions, into target/man and target/completions
	@$(CARGO) build --quiet --release --bins
	@mkdir -p target/man target/completions
	@for program in heddle ofctl-dump; do \
		target/release/$$program --man >target/man/$$program.1; \
		for shell in bash zsh fish; do \
			target/release/$$program --completions $$shell >target/completions/$$program.$$shell; \
		done; \
	done
	@ls target/man target/completions

install-deps: ## Open vSwitch and small tools, from Debian, where they are missing
	@scripts/install-deps.sh

clean-lab: ## take away what killed tests and KEEP=1 left
	@$(CARGO) run --quiet --release --example demo -- clean
