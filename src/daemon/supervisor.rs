//! What systemd is told: readiness, status, and that the loop still turns.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service manager, if one supervises the agent.
pub(super) struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// What it was told last.
    status: String,
    /// Half the watchdog's limit; the pings come from the loop that owns the queue.
    every: Option<Duration>,
    next: Option<Instant>,
}

impl Supervisor {
    pub(super) fn new() -> Self {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
        let socket = connect().unwrap_or_else(|error| {
            log::warn!("the service manager can't be told anything: {error}");
            None
        });
        Self { socket, status: String::new(), every, next: every.map(|every| Instant::now() + every) }
    }

    pub(super) fn ready(&mut self, status: &str) {
        status.clone_into(&mut self.status);
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    pub(super) fn status(&mut self, status: &str) {
        if self.status != status {
            status.clone_into(&mut self.status);
            self.tell(&[NotifyState::Status(status)]);
        }
    }

    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    pub(super) fn stopping(&self) {
        self.tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }

    pub(super) fn next_ping(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn ping(&mut self, now: Instant) {
        if let (Some(every), Some(next)) = (self.every, self.next)
            && next <= now
        {
            self.tell(&[NotifyState::Watchdog]);
            self.next = Some(now + every);
        }
    }

    /// Never blocks: a manager that does not read its socket must not stop the agent, as `sd_notify`'s own
    /// call would.
    fn tell(&self, states: &[NotifyState<'_>]) {
        let Some((socket, address)) = &self.socket else { return };
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        if let Err(error) = socket.send_to_addr(lines.join("\n").as_bytes(), address) {
            log::debug!("the service manager does not listen: {error}");
        }
    }
}

/// The socket that sd_notify(3) describes; none where no service manager started the agent.
fn connect() -> io::Result<Option<(UnixDatagram, SocketAddr)>> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
    let address = match name.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(Some((socket, address)))
}
