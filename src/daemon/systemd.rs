//! Messages to systemd: readiness, status, and that the loop still turns.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::base::journal::id;
use crate::base::said::Said;

/// The service manager, if one supervises the agent.
pub(super) struct Systemd {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// The status that it was told last.
    status: String,
    watchdog: Option<Watchdog>,
}

/// The service manager's watchdog, which bites where it is not told in time that the agent is well.
struct Watchdog {
    /// The time between two pings, a third of its limit: one ping that comes late, or is lost, is no bite.
    every: Duration,
    next: Instant,
    /// Whether the journal has a line about what stands still.
    said: Said,
}

impl Systemd {
    pub(super) fn new(now: Instant) -> Self {
        let socket = connect().unwrap_or_else(|error| {
            log::warn!("the service manager can't be told anything: {error}");
            None
        });
        Self::with(socket, sd_notify::watchdog_enabled(), now)
    }

    fn with(socket: Option<(UnixDatagram, SocketAddr)>, limit: Option<Duration>, now: Instant) -> Self {
        let watchdog = limit.filter(|_| socket.is_some()).map(|limit| {
            let every = limit / 3;
            Watchdog { every, next: now + every, said: Said::default() }
        });
        Self { socket, status: String::new(), watchdog }
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
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }

    /// Tells the watchdog that the agent is well, if it is time to, and no task stands still; `silent` is one that
    /// does. That the loop turns is shown by its asking.
    pub(super) fn ping_if_due_and_alive(
        &mut self,
        now: Instant,
        silent: impl FnOnce() -> Option<(String, Duration)>,
    ) {
        let Some(watchdog) = self.watchdog.as_mut().filter(|watchdog| watchdog.next <= now) else { return };
        watchdog.next = now + watchdog.every;
        match silent() {
            None => {
                watchdog.said.again();
                self.tell(&[NotifyState::Watchdog]);
            }
            Some((name, silence)) if watchdog.said.first() => log::error!(
                MESSAGE_ID = id::STANDSTILL;
                "{name} has stood still for {} s: the service manager's watchdog will start the agent anew",
                silence.as_secs()
            ),
            Some(_) => {}
        }
    }

    /// Tells the service manager something. Never blocks: a manager that does not read its socket must not stop the
    /// agent, as `sd_notify`'s own call would.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::heartbeat::{Hearts, LONGEST_SILENCE, patiently};

    const LIMIT: Duration = Duration::from_secs(180);
    const THIRD: Duration = Duration::from_secs(60);

    /// The service manager as the agent sees it, and what the service manager hears.
    fn supervised(now: Instant) -> (Systemd, impl Fn() -> Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        let address = SocketAddr::from_pathname(&path).unwrap();
        let systemd = Systemd::with(Some((socket, address)), Some(LIMIT), now);
        let heard = move || {
            let _folder = &folder;
            let mut buffer = [0; 256];
            std::iter::from_fn(|| manager.recv(&mut buffer).ok().map(|n| (n, buffer)))
                .map(|(length, bytes)| String::from_utf8_lossy(&bytes[..length]).into_owned())
                .collect()
        };
        (systemd, heard)
    }

    #[test]
    fn the_watchdog_hears_three_times_within_its_limit_that_the_agent_is_well() {
        let now = Instant::now();
        let (mut systemd, heard) = supervised(now);
        assert_eq!(systemd.next_ping(), Some(now + THIRD));
        systemd.ping_if_due_and_alive(now + THIRD / 2, || panic!("nobody asked yet"));
        assert_eq!(heard(), [""; 0]);
        for turn in 1..=3 {
            systemd.ping_if_due_and_alive(now + THIRD * turn, || None);
            assert_eq!(heard(), ["WATCHDOG=1"]);
            assert_eq!(systemd.next_ping(), Some(now + THIRD * (turn + 1)));
        }
    }

    #[test]
    fn while_a_session_stands_still_the_watchdog_hears_nothing() {
        let now = Instant::now();
        let (mut systemd, heard) = supervised(now);
        for turn in 1..=3 {
            systemd.ping_if_due_and_alive(now + THIRD * turn, || Some(("acme".to_owned(), THIRD)));
            assert_eq!(heard(), [""; 0]);
        }
        systemd.ping_if_due_and_alive(now + THIRD * 4, || None);
        assert_eq!(heard(), ["WATCHDOG=1"], "it went on after all");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_nothing_wakes_any_more_withholds_the_ping_and_one_that_waits_does_not() {
        let clock = || tokio::time::Instant::now().into_std();
        let mut hearts = Hearts::default();
        let (mut systemd, heard) = supervised(clock());
        let hours = LONGEST_SILENCE * 4;
        let waiting = tokio::spawn(hearts.watch("a".to_owned(), patiently(tokio::time::sleep(hours))));
        while !waiting.is_finished() {
            tokio::time::sleep(THIRD).await;
            systemd.ping_if_due_and_alive(clock(), || hearts.silent(clock()));
            assert_eq!(heard(), ["WATCHDOG=1"]);
        }
        let stuck = tokio::spawn(hearts.watch("b".to_owned(), std::future::pending::<()>()));
        tokio::time::sleep(LONGEST_SILENCE + THIRD).await;
        for _ in 0..3 {
            systemd.ping_if_due_and_alive(clock(), || hearts.silent(clock()));
            assert_eq!(heard(), [""; 0]);
            tokio::time::sleep(THIRD).await;
        }
        stuck.abort();
        assert!(stuck.await.is_err());
        systemd.ping_if_due_and_alive(clock(), || hearts.silent(clock()));
        assert_eq!(heard(), ["WATCHDOG=1"]);
    }

    #[test]
    fn without_a_watchdog_nothing_wakes_the_agent() {
        let systemd = Systemd::with(None, Some(LIMIT), Instant::now());
        assert_eq!(systemd.next_ping(), None);
    }
}
