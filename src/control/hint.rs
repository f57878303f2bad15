//! Hints: where to look, by what the agent says of a session that failed.

use super::system::fit;

/// The privileged helper, without which what needs root does not work.
const HELPER: (&str, &str) = ("omadm-exec", "the privileged helper: `systemctl status omadm-exec.socket`");

/// What a server that asks for patience is to be given.
const BUSY: &str =
    "nothing here: the server is busy or under repair; it is asked again after the pause that it asks for";

/// A part of what is said, and what to look at then. The first that fits counts.
const HINTS: [(&str, &str); 30] = [
    HELPER,
    (
        "the proxy",
        "the proxy of omadmd.service: `systemctl show -p Environment omadmd`, or HTTPS_PROXY in a drop-in",
    ),
    ("can't be resolved", "the name: `resolvectl query HOST`; server-uri in the account"),
    ("resolving the name", "the name server: `resolvectl status`"),
    ("expired", "the certificate is over, or this machine's clock is wrong: `timedatectl`"),
    ("not valid yet", "the clock of this machine: `timedatectl`"),
    ("not for this host", "server-uri in the account, or the server's certificate: one is for another host"),
    (
        "it is for another host",
        "server-uri in the account, or the server's certificate: one is for another host",
    ),
    ("it names no host", "the server's certificate: it needs a subjectAltName with the host of server-uri"),
    (
        "certificate refused",
        "tls.ca-file in the account: it must hold the authority of the server's certificate",
    ),
    ("no trusted root", "the package ca-certificates (or ca-bundle), or tls.ca-file in the account"),
    ("speaks neither", "the server: TLS 1.2 or 1.3 must be switched on there"),
    ("the server ended TLS", "auth in the account: does the server want a client certificate? its log says"),
    ("tls: ", "the port in server-uri: is it one of TLS 1.2 or 1.3? `openssl s_client -connect HOST:443`"),
    ("unreachable", "the link: `ip route`, `ip address`"),
    ("can't connect", "the server, its port in server-uri, the link, a firewall: `curl -v` the address"),
    ("TLS is not answered", "the port in server-uri: is it one of TLS? `openssl s_client -connect HOST:443`"),
    ("connection lost", "the server, or what is before it: it closes connections; its own log"),
    ("no answer within", "the server: it takes what is sent and does not answer; its own log"),
    ("is not answered", "the link, a firewall that swallows packets: `curl -v` the address"),
    ("authentication", "auth in the account: the user, the password's file"),
    ("HTTP status 200", "the server: what it sends is no package; profile and server-uri in the account"),
    ("HTTP status 429", BUSY),
    ("HTTP status 503", BUSY),
    (
        "HTTP status 3",
        "server-uri in the account: the server has moved, or a portal is in the way; `curl -v` the address",
    ),
    ("HTTP status", "the server's own log: it does not want this request; is server-uri its DM address?"),
    (
        "content type \"text/html",
        "server-uri in the account: a page for people answers, a portal's perhaps; `curl -v` the address",
    ),
    (
        "no DM package",
        "server-uri in the account: something else than a DM server answers there; `curl -v` the address",
    ),
    ("Package#2", "the server: what it sends is no package; profile in the account"),
    ("no DevID", "`omadmctl get urn:oma:mo:oma-dm-devinfo:1.2//DevID`"),
];

/// Where to look, on this system; none where nothing is known of such a failure.
pub(super) fn of_failure(why: &str) -> Option<String> {
    HINTS.iter().find(|(part, _)| why.contains(part)).map(|(_, hint)| fit(hint))
}

/// Where to look, on this system, by what is said of a command.
pub(super) fn of_command(what: &str) -> Option<String> {
    Some(HELPER).filter(|(part, _)| what.contains(part)).map(|(_, hint)| fit(hint))
}

/// Where what the program of an EXEC has said is to be read, on this system.
pub(super) fn of_exec() -> String {
    fit("what its program said: `journalctl -t omadm-exec -t omadmd -n 20`")
}
