# `make install OUT=FOLDER PKG_BUILD_DIR=… PKG_INSTALL_DIR=…` installs all packages into one folder, `make facts` says what
# they depend on and whom they need. A recipe is called as OpenWrt does it: its text is expanded once more by eval there.
define BuildPackage
install: install-$(1)
install-$(1):
	$(call Package/$(1)/install,$(OUT))
facts: facts-$(1)
facts-$(1): export SAID=$$(call Package/$(1))
facts-$(1):
	@printf '%s\n%s\n' "$(1)" "$$$$SAID"
endef
.PHONY: install facts prepare
prepare:
	$(Build/Prepare)
