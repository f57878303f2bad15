//! Whether the network has changed: asked for only while somebody waits for that.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::Daemon;
use crate::bearer;
use crate::waking;

/// How often to look where the kernel does not tell.
const LOOK: Duration = Duration::from_secs(30);

/// The interfaces that are up, with their addresses.
type Addresses = BTreeSet<(String, IpAddr)>;

/// Who tells of changes, and what was there before.
#[derive(Debug, Default)]
pub(super) struct Network(Option<(Source, Addresses)>);

#[derive(Debug)]
enum Source {
    Kernel(bearer::Watch),
    Clock(tokio::time::Interval),
}

impl Network {
    /// Begins to listen, or stops; whether it has begun: then what was looked at before is to be looked at again.
    fn listen(&mut self, wanted: bool) -> bool {
        if !wanted {
            self.0 = None;
            return false;
        }
        if self.0.is_some() {
            return false;
        }
        let source = match bearer::Watch::new() {
            Ok(watch) => Source::Kernel(watch),
            Err(error) => {
                log::warn!("netlink: {error}: the network is looked at every {} s", LOOK.as_secs());
                Source::Clock(tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK))
            }
        };
        self.0 = Some((source, bearer::addresses()));
        true
    }

    /// Waits for a change; for ever while nobody wants to know.
    pub(super) async fn changed(&mut self) {
        let Some((source, _)) = &mut self.0 else { return std::future::pending().await };
        match source {
            Source::Kernel(watch) => {
                if watch.changed().await.is_err() {
                    // Without the kernel's word, a look now and then.
                    *source = Source::Clock(tokio::time::interval(LOOK));
                }
            }
            Source::Clock(interval) => {
                interval.tick().await;
            }
        }
    }

    /// Whether an address is there that was not there before.
    fn has_come_up(&mut self) -> bool {
        let Some((_, before)) = &mut self.0 else { return false };
        let now = bearer::addresses();
        let new = now.difference(before).next().is_some();
        *before = now;
        new
    }
}

impl Daemon {
    /// Listens while somebody waits for the network; whether that has just begun.
    pub(super) fn listen_to_network(&mut self) -> bool {
        self.network.listen(self.queue.wants_network())
    }

    /// Something about it is another one.
    pub(super) fn network_changed(&mut self) {
        self.queue.network_changed();
        if self.network.has_come_up() {
            let Self { queue, random, .. } = self;
            queue.network_came_up(waking::now(), &mut || random.next_u32());
        }
    }
}
