//! Hints: where to look, by what the agent says of a session that failed.

use super::services::Services;

/// A part of what is said, what to look at then, and what where there is no systemd; none: the same. The first that
/// fits counts.
const HINTS: [(&str, &str, Option<&str>); 17] = [
    (
        HELPER,
        "the privileged helper: `systemctl status omadm-exec.socket`",
        Some("the privileged helper: `/etc/init.d/omadm-exec status`"),
    ),
    (
        "the proxy",
        "the proxy of omadmd.service: `systemctl show -p Environment omadmd`, or HTTPS_PROXY in a drop-in",
        Some("the proxy: HTTPS_PROXY, where the agent's init script sets it"),
    ),
    (
        "can't be resolved",
        "the name: `resolvectl query HOST`; server-uri in the account",
        Some("the name: `nslookup HOST`; server-uri in the account"),
    ),
    (
        "resolving the name",
        "the name server: `resolvectl status`",
        Some("the name server: `cat /etc/resolv.conf`"),
    ),
    (
        "expired",
        "the certificate is over, or this machine's clock is wrong: `timedatectl`",
        Some("the certificate is over, or this machine's clock is wrong: `date`"),
    ),
    ("not valid yet", "the clock of this machine: `timedatectl`", Some("the clock of this machine: `date`")),
    (
        "certificate refused",
        "tls.ca-file in the account: it must hold the authority of the server's certificate",
        None,
    ),
    (
        "no trusted root",
        "the package ca-certificates, or tls.ca-file in the account",
        Some("the package ca-certificates or ca-bundle, or tls.ca-file in the account"),
    ),
    (
        "the server ended TLS",
        "auth in the account: does the server want a client certificate? its log says",
        None,
    ),
    (
        "tls: ",
        "the port in server-uri: is it one of TLS 1.2 or 1.3? `openssl s_client -connect HOST:443`",
        None,
    ),
    ("unreachable", "the link: `ip route`, `ip address`", None),
    (
        "can't connect",
        "the server, its port in server-uri, the link, a firewall: `curl -v` the address",
        None,
    ),
    ("is not answered", "the link, a firewall that swallows packets: `curl -v` the address", None),
    ("authentication", "auth in the account: the user, the password's file", None),
    (
        "HTTP status",
        "the server's own log: it does not want this request; is server-uri its DM address?",
        None,
    ),
    ("Package#2", "the server: what it sends is no package; profile in the account", None),
    ("no DevID", "`omadmctl get urn:oma:mo:oma-dm-devinfo:1.2//DevID`", None),
];

/// The privileged helper, without which what needs root does not work.
const HELPER: &str = "omadm-exec";

/// Where to look; none where nothing is known of such a failure.
pub(super) fn of_failure(why: &str) -> Option<&'static str> {
    hint(why, Services::here())
}

/// Where to look, by what is said of a command.
pub(super) fn of_command(what: &str) -> Option<&'static str> {
    Some(HELPER).filter(|part| what.contains(part)).and_then(of_failure)
}

fn hint(why: &str, services: Services) -> Option<&'static str> {
    let &(_, by_systemd, else_by) = HINTS.iter().find(|(part, ..)| why.contains(part))?;
    match services {
        Services::Systemd => Some(by_systemd),
        Services::Scripts => Some(else_by.unwrap_or(by_systemd)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_brings_is_named_where_it_is_there() {
        for (part, ..) in HINTS {
            let hint = hint(part, Services::Scripts).unwrap();
            for tool in ["systemctl", "journalctl", "resolvectl", "timedatectl", ".service", "drop-in"] {
                assert!(!hint.contains(tool), "{part}: {hint}");
            }
        }
        assert_eq!(hint("expired", Services::Systemd).map(|hint| hint.contains("timedatectl")), Some(true));
        assert_eq!(hint("all is well", Services::Scripts), None);
    }
}
