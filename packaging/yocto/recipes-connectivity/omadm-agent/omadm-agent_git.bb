SUMMARY = "OMA Device Management 2.0 client"
DESCRIPTION = "Lets OMA DM servers manage a gateway: it waits for their notifications on UDP port 2948, holds sessions over \
               HTTPS, and maps management objects onto files, D-Bus services and programs. Without an account nothing is managed."
SECTION = "net"
LICENSE = "Apache-2.0 | MIT"
LIC_FILES_CHKSUM = "file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
                    file://LICENSE-MIT;md5=ef7ba848476062a932012efd2e721c89"
CVE_PRODUCT = "omadm-agent"

# A git repository with the sources, and a branch of it: unsaid, the one that this layer is part of.
OMADM_AGENT_SOURCE ?= "${@os.path.realpath(os.path.join(d.getVar('THISDIR'), '../../../..'))}"
OMADM_AGENT_BRANCH ?= "main"

PV = "0.2.0+git"
SRC_URI = "git://${OMADM_AGENT_SOURCE};protocol=file;branch=${OMADM_AGENT_BRANCH} \
           file://omadm-data \
           file://omadm-data.service \
           file://omadm-keep \
           file://omadmd.init \
           file://50-data.toml \
           "
# Layer and sources are of one repository. A distribution says which commit of it.
# nooelint: oelint.vars.autorev
SRCREV ?= "${AUTOREV}"

# Where state and accounts are, if /var/lib and /etc can't be written to; empty: there.
OMADM_AGENT_DATA ?= ""

inherit cargo cargo-update-recipe-crates systemd update-rc.d useradd

# Written by `bitbake -c update_crates omadm-agent`, which has to be able to read this without it.
# nooelint: oelint.file.requireinclude,oelint.file.includenotfound
include ${BPN}-crates.inc

# This build system strips by itself, and complains of what is stripped already.
export CARGO_PROFILE_RELEASE_STRIP = "none"

USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system omadm-admin; --system omadm-app"
USERADD_PARAM:${PN} = "\
    --system --user-group --no-create-home --home-dir ${localstatedir}/lib/omadm --shell ${base_sbindir}/nologin omadm; \
    --system --user-group --no-create-home --home-dir / --shell ${base_sbindir}/nologin omadm-run"

SYSTEMD_SERVICE:${PN} = "omadmd.service omadmd.socket omadm-exec.socket"
SYSTEMD_SERVICE:${PN} += "${@'omadm-data.service' if d.getVar('OMADM_AGENT_DATA') else ''}"
INITSCRIPT_NAME = "omadmd"
INITSCRIPT_PARAMS = "defaults 95 05"

do_install:append() {
    # Other names of the same program, which looks at the name it was started by.
    ln -sf omadmd ${D}${bindir}/omadmctl
    ln -sf omadmd ${D}${bindir}/omadm-exec

    install -d ${D}${nonarch_libdir}/omadm ${D}${sysconfdir}/omadm
    install -m 0644 ${S}/packaging/config/vendor.toml ${D}${nonarch_libdir}/omadm/omadmd.toml
    install -m 0644 ${S}/packaging/config/omadmd.toml ${D}${sysconfdir}/omadm/omadmd.toml

    # A mapping that describes its nodes itself needs no DDF on the gateway.
    for object in ${S}/mo/*; do
        name=$(basename $object)
        install -d ${D}${datadir}/omadm/mo/$name
        install -m 0644 $object/$name.toml ${D}${datadir}/omadm/mo/$name/
    done
    for name in dmacc dmacc-approved dmdac; do
        install -m 0644 ${S}/mo/$name/$name.ddf.xml ${D}${datadir}/omadm/mo/$name/
    done
    for script in $(cd ${S}/packaging/exec && find . -type f); do
        install -D -m 0755 ${S}/packaging/exec/$script ${D}${nonarch_libdir}/omadm/exec/$script
    done
    [ ! -e ${S}/packaging/report ] || install -m 0755 ${S}/packaging/report ${D}${nonarch_libdir}/omadm/report
    install -D -m 0644 ${S}/packaging/dbus/org.omadm.Agent1.conf ${D}${datadir}/dbus-1/system.d/org.omadm.Agent1.conf

    # Accounts hold secrets: the agent reads them, other users do not.
    install -d -m 0750 -g omadm ${D}${sysconfdir}/omadm/accounts.d
    install -d ${D}${sysconfdir}/omadm/mo.d ${D}${sysconfdir}/omadm/omadmd.d
    install -d -m 0700 -o omadm -g omadm ${D}${localstatedir}/lib/omadm
    install -d -m 0700 ${D}${localstatedir}/lib/omadm-exec

    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -d ${D}${systemd_system_unitdir} ${D}${nonarch_libdir}/systemd/catalog
        for unit in $(find ${S}/systemd -name '*.service' -o -name '*.socket' -o -name '*.slice' -o -name '*.timer'); do
            install -m 0644 $unit ${D}${systemd_system_unitdir}/
        done
        install -m 0644 ${S}/systemd/omadm.catalog ${D}${nonarch_libdir}/systemd/catalog/
        install -D -m 0644 ${S}/systemd/sysusers.d/omadm.conf ${D}${nonarch_libdir}/sysusers.d/omadm.conf
        install -D -m 0644 ${S}/systemd/tmpfiles.d/omadm.conf ${D}${nonarch_libdir}/tmpfiles.d/omadm.conf
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 ${UNPACKDIR}/omadmd.init ${D}${sysconfdir}/init.d/omadmd
        install -m 0755 ${UNPACKDIR}/omadm-keep ${D}${nonarch_libdir}/omadm/omadm-keep
    fi

    if [ -n "${OMADM_AGENT_DATA}" ]; then
        # All that is written to gets a place there, at each start.
        install -m 0755 ${UNPACKDIR}/omadm-data ${D}${nonarch_libdir}/omadm/omadm-data
        install -d ${D}${nonarch_libdir}/omadm/omadmd.d ${D}${sysconfdir}/default
        sed 's|@DATA@|${OMADM_AGENT_DATA}|' ${UNPACKDIR}/50-data.toml >${D}${nonarch_libdir}/omadm/omadmd.d/50-data.toml
        echo 'OMADM_DATA=${OMADM_AGENT_DATA}' >${D}${sysconfdir}/default/omadm
        for name in fumo scomo wan; do
            install -d -m 0700 ${D}${localstatedir}/lib/omadm-$name
        done
        if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
            sed 's|@DATA@|${OMADM_AGENT_DATA}|' ${UNPACKDIR}/omadm-data.service >${D}${systemd_system_unitdir}/omadm-data.service
        fi
    fi
}

CONFFILES:${PN} = "${sysconfdir}/omadm/omadmd.toml"
FILES:${PN} += "\
    ${datadir}/dbus-1/system.d \
    ${datadir}/omadm \
    ${localstatedir}/lib/omadm* \
    ${nonarch_libdir}/omadm \
    ${nonarch_libdir}/systemd/catalog \
    ${nonarch_libdir}/sysusers.d \
    ${nonarch_libdir}/tmpfiles.d \
    "

RDEPENDS:${PN} += "ca-certificates"
RRECOMMENDS:${PN} += "curl iproute2"
