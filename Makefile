# On a Debian machine with a Rust toolchain; what it lacks is installed. `make help` lists the targets.

CACHE := $(or $(XDG_CACHE_HOME),$(and $(HOME),$(HOME)/.cache),$(CURDIR)/.cache)/omadm-agent
export PATH := $(CACHE)/tools/bin:$(PATH)
TARGET := $(or $(CARGO_TARGET_DIR),target)
DEB := $(TARGET)/omadm-agent.deb
RPM := $(TARGET)/omadm-agent.rpm
LAB := $(TARGET)/omadm-lab
SBOM := $(TARGET)/omadm-agent.cdx.json
HOST = $(shell rustc --version --verbose | sed -n 's/^host: //p')
# The time of what is in packages: the same source makes the same bytes, whenever.
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell dpkg-parsechangelog --file packaging/deb/changelog --show-field Timestamp))
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo env XDG_CACHE_HOME=$(dir $(CACHE)))
SECONDS_EACH := 60
FUZZ := $(if $(ONLY),$(ONLY),$$(RUSTC_BOOTSTRAP=1 cargo fuzz list --fuzz-dir tests/fuzz))

# ONLY is a test as tests/conformance.md names it, a file of tests (tests/session), or a part of a test's name.
ONLY_WHERE := $(if $(filter tests/%,$(ONLY)),--test all,$(if $(findstring ::tests::,$(ONLY)),--lib))
ONLY_NAME := $(if $(filter tests/%,$(ONLY)),^$(patsubst tests/%,%,$(ONLY))(::|$$),$(ONLY))

.PHONY: check help prepare lint test config openwrt yocto man deb rpm musl arm64 lab sbom packages reproducible system vm bench fuzz
.NOTPARALLEL:

check: prepare lint test config openwrt yocto packages system ## all that continuous integration runs

help: ## this list
	@sed -nE 's/^([a-z0-9]+):[^#]*## (.*)/make \1 \2/p' $(firstword $(MAKEFILE_LIST)) | awk '{ name = $$2; $$1 = $$2 = ""; printf "make %-13s%s\n", name, $$0 }'

prepare: ## install what build and tests need
	packaging/prepare $(CACHE)/tools cargo-nextest cargo-deb cargo-deny

lint: ## format, clippy, rustdoc, dependencies, fuzz targets
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --all-features --document-private-items
	cargo deny --locked check bans licenses sources
	RUSTC_BOOTSTRAP=1 cargo check --locked --manifest-path tests/fuzz/Cargo.toml

test: ## unit, integration and documentation tests, as root; ONLY=NAME: that one
	cargo nextest run --locked --all-features --no-fail-fast $(if $(ONLY),$(ONLY_WHERE) -E 'test(/$(ONLY_NAME)/)')
	$(if $(ONLY),,cargo test --locked --all-features --doc)

config: ## every configuration that ships, by omadmd --check
	cargo build --locked --all-features --bin omadmd
	packaging/check-config $(TARGET)/debug/omadmd

openwrt: ## the packages for OpenWrt, in a root folder with busybox; needs root
	cargo build --locked --all-features --bins
	$(SUDO) packaging/openwrt/test/run $(TARGET)/debug

yocto: ## the recipe for Yocto: what it installs, and its init script; needs root
	cargo build --locked --all-features --bins
	$(SUDO) packaging/yocto/test/run $(TARGET)/debug

man: ## manual pages, made of docs/ and mo/, and what omadmctl says of a key
	packaging/prepare $(CACHE)/tools
	rm -rf target/man
	mkdir -p target/man
	packaging/keys docs/mapping.md | gzip -9n > target/man/keys.md.gz
	packaging/man target/man

deb: man ## the Debian package
	packaging/prepare $(CACHE)/tools cargo-deb
	flags=$$(packaging/remap) && SOURCE_DATE_EPOCH=$(EPOCH) CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$$flags \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$$flags cargo deb --locked --output $(DEB)

rpm: deb ## the rpm, of the same program and files
	SOURCE_DATE_EPOCH=$(EPOCH) packaging/rpm/build $(DEB) $(RPM)

musl: small-x86_64 ## a static program for x86_64 routers, and a session with it

arm64: small-aarch64 ## the same for aarch64, by qemu

small-%:
	packaging/prepare $(CACHE)/tools small
	cargo build --locked --profile lab --features lab --bin omadm-lab
	packaging/small $* $(TARGET)/lab/omadm-lab

lab: man ## omadm-lab, as a deb and an rpm of its own
	packaging/prepare $(CACHE)/tools cargo-deb
	flags=$$(packaging/remap) && SOURCE_DATE_EPOCH=$(EPOCH) CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$$flags \
		CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=$$flags cargo deb --locked --variant lab --profile lab --output $(LAB).deb
	SOURCE_DATE_EPOCH=$(EPOCH) packaging/rpm/build $(LAB).deb $(LAB).rpm
	packaging/check-packages $(LAB).deb $(LAB).rpm

sbom: ## what is in the program: its crates, as CycloneDX
	SOURCE_DATE_EPOCH=$(EPOCH) packaging/sbom omadm-agent $(HOST) >$(SBOM)

packages: rpm sbom ## both packages, by lintian and rpmlint, and the list of what is in them
	packaging/check-packages $(DEB) $(RPM)
	packaging/check-policies

reproducible: rpm sbom ## whether somebody else's build is the same bytes: builds it once more
	packaging/reproducible $(DEB) $(RPM) $(SBOM)

system: deb ## the package in a booted Debian container, managed from outside
	$(SUDO) tests/system/run $(DEB)

vm: deb ## the package on an emulated machine, with a kernel of its own: power cuts, radio, memory limits; slow; ONLY=CASE: that one
	packaging/prepare $(CACHE)/tools vm
	$(SUDO) tests/vm/run $(DEB) $(ONLY)

bench: ## speed, memory and size, against their budgets
	cargo bench --locked --all-features --bench budgets

fuzz: ## every fuzz target for SECONDS_EACH (60) seconds; ONLY=TARGET: that one
	packaging/prepare $(CACHE)/tools cargo-fuzz
	for target in $(FUZZ); do \
	    mkdir -p tests/fuzz/corpus/$$target && \
	    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer address $$target \
	        tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(SECONDS_EACH) || exit 1; \
	done
