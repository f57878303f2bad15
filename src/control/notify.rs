//! `omadmctl notify HOST`: Package#0 of the draft profile to an agent, from any machine.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::cli::Notify;
use super::terminal::Terminal;
use crate::base::regular;
use crate::notification::outgoing::OutgoingNotification;
use crate::notification::wsp::Push;

/// The port that agents are notified on.
const PORT: u16 = 2948;
/// The largest secret, in bytes.
const MOST: u64 = 64 << 10;

/// Sends a notification; returns whether it was sent. Nothing answers one.
pub(super) fn send<O: Write, E: Write>(
    notify: &Notify,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let (to, id, bytes) = match try_to_send(notify) {
        Ok(sent) => sent,
        Err(why) => return terminal.fail("NotSent", &why, as_json),
    };
    if as_json {
        return terminal.answer(true, json!({ "to": to.to_string(), "id": id, "bytes": bytes }));
    }
    terminal.say(&format!(
        "{bytes} bytes to {to}, notification {id}: nothing answers one; the journal there says what came of it"
    ))?;
    Ok(true)
}

fn try_to_send(notify: &Notify) -> Result<(SocketAddr, u16, usize), String> {
    let Notify { host, server_id, secret_file, request_mos, preferred, id } = notify;
    let secret = secret(secret_file)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Another one each second: a copy of one that was there is dropped.
    let id = id.unwrap_or_else(|| u16::try_from(now % 0xffff).unwrap_or_default());
    let outgoing = OutgoingNotification {
        server_id: Some(server_id.clone()),
        preferred: preferred.clone(),
        id: Some(id),
        req_mos: *request_mos,
        ..OutgoingNotification::default()
    };
    let package = outgoing.sign(&secret, &[], Some(now)).map_err(|error| error.to_string())?;
    let datagram = Push::default().wrap(&package);
    let to = resolve(host)?;
    let here: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let sent = UdpSocket::bind((here, 0)).and_then(|socket| socket.send_to(&datagram, to));
    sent.map(|bytes| (to, id, bytes)).map_err(|error| format!("{to}: can't be sent to: {error}"))
}

fn secret(file: &Path) -> Result<Vec<u8>, String> {
    let read = regular::read(file, MOST);
    let mut secret = read.map_err(|error| format!("--secret-file: {}: {error}", file.display()))?;
    if secret.last() == Some(&b'\n') {
        secret.pop();
    }
    match secret.is_empty() {
        true => Err(format!("--secret-file: {} is empty", file.display())),
        false => Ok(secret),
    }
}

/// The address of `host`, `host:port` or an address.
fn resolve(host: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = host.parse() {
        return Ok(SocketAddr::new(address, PORT));
    }
    let found = match host.contains(':') {
        true => host.to_socket_addrs(),
        false => (host, PORT).to_socket_addrs(),
    };
    let found = found.map_err(|error| format!("{host}: {error}"))?.next();
    found.ok_or_else(|| format!("{host}: it has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_have_a_port_and_be_an_address() {
        for (host, expected) in [
            ("192.0.2.1", "192.0.2.1:2948"),
            ("192.0.2.1:5000", "192.0.2.1:5000"),
            ("2001:db8::1", "[2001:db8::1]:2948"),
            ("[2001:db8::1]:5000", "[2001:db8::1]:5000"),
        ] {
            assert_eq!(resolve(host).unwrap().to_string(), expected);
        }
        assert!(resolve("192.0.2.1:many").is_err());
    }
}
