# What people type. `make` alone lists it.
#
# Tests run unoptimised: they wait for Open vSwitch and for packets, not for Heddle, and the build is what takes long.

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
PREFIX ?= /usr/local
PROGRAMS = heddle ofctl-dump

.PHONY: help demo test soak fuzz bench man install install-deps clean-lab

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 24

demo: install-deps ## two hosts, four kinds of network: who reaches whom (KEEP=1 leaves it running)
	@$(CARGO) build --quiet --release --bins --example demo
	@$(CARGO) run --quiet --release --example demo

test: install-deps ## all tests, and fuzzing with the same inputs each time; those of the lab need root
	@$(CARGO) test --quiet --no-run
	$(CARGO) test --quiet
	@scripts/fuzz.sh gate

soak: install-deps ## half an hour of faults with traffic running: docs/RELIABILITY.md at length; needs root
	@$(CARGO) test --quiet --no-run --test 'reliability_*'
	HEDDLE_SOAK=1 $(CARGO) test --quiet --no-fail-fast --test 'reliability_*' -- --nocapture --test-threads 2

fuzz: install-deps ## fuzzing at random, FUZZ_SECONDS (600) for each target of fuzz/
	@scripts/fuzz.sh $(or $(FUZZ_SECONDS),600)

bench: ## the benchmarks; docs/BENCHMARKS.md says what they mean
	$(CARGO) bench

man: ## manual pages and shell completions, into target/man and target/completions
	@$(CARGO) build --quiet --release --bins
	@mkdir -p $(TARGET)/man $(TARGET)/completions
	@set -e; for program in $(PROGRAMS); do \
		$(TARGET)/release/$$program --man >$(TARGET)/man/$$program.1; \
		for shell in bash zsh fish; do \
			$(TARGET)/release/$$program --completions $$shell >$(TARGET)/completions/$$program.$$shell; \
		done; \
	done
	@ls $(TARGET)/man $(TARGET)/completions

install: man ## programs, manual pages, completions and the service, below PREFIX (/usr/local)
	@set -e; for program in $(PROGRAMS); do \
		install -D -t $(DESTDIR)$(PREFIX)/bin $(TARGET)/release/$$program; \
		install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(TARGET)/man/$$program.1; \
		install -D -m 644 $(TARGET)/completions/$$program.bash \
			$(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$program; \
		install -D -m 644 $(TARGET)/completions/$$program.zsh \
			$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_$$program; \
		install -D -m 644 $(TARGET)/completions/$$program.fish \
			$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/$$program.fish; \
	done
	@install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	@sed 's,@PREFIX@,$(PREFIX),' packaging/heddle.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/heddle.service
	@install -D -m 644 packaging/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/heddle.conf
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/heddle packaging/heddle.toml packaging/topology.toml \
		packaging/ovsdb-server.conf

install-deps: ## Open vSwitch and small tools, from Debian, where they are missing
	@scripts/install-deps.sh

clean-lab: ## take away what killed tests and KEEP=1 left
	@$(CARGO) run --quiet --release --example demo -- clean
