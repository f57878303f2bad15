# Stand-in of the feed's: the variables that ../../Makefile changes.
RUST_ARCH_DEPENDS:=@(aarch64||arm||i386||x86_64)
CARGO_PKG_VARS=CARGO_PROFILE_RELEASE_PANIC=unwind
define RustBinPackage
endef
