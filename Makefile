# make check: all tests, on a Debian machine with a Rust toolchain; installs what it lacks.
# make deb, make bench, make fuzz.

CACHE := $(or $(XDG_CACHE_HOME),$(and $(HOME),$(HOME)/.cache),$(CURDIR)/.cache)/omadm-agent
export PATH := $(CACHE)/tools/bin:$(PATH)
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEB := $(TARGET)/omadm-agent.deb
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo env XDG_CACHE_HOME=$(dir $(CACHE)))
SECONDS_EACH := 60

.PHONY: check prepare lint test config deb system bench fuzz
.NOTPARALLEL:

check: prepare lint test config system

prepare:
	packaging/prepare $(CACHE)/tools cargo-nextest cargo-deb

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --all-features --document-private-items

test:
	cargo nextest run --locked --all-features --no-fail-fast
	cargo test --locked --all-features --doc

config:
	cargo build --locked --all-features --bin omadmd
	packaging/check-config $(TARGET)/debug/omadmd

deb:
	packaging/prepare $(CACHE)/tools cargo-deb
	cargo deb --locked --output $(DEB)

system: deb
	$(SUDO) tests/system/run $(DEB)

bench:
	cargo bench --locked --all-features --bench budgets

fuzz:
	packaging/prepare $(CACHE)/tools cargo-fuzz
	for target in $$(RUSTC_BOOTSTRAP=1 cargo fuzz list --fuzz-dir tests/fuzz); do \
	    mkdir -p tests/fuzz/corpus/$$target && \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer address $$target \
	        tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(SECONDS_EACH) || exit 1; \
	done
