//! The network as far as known, and whether it has changed: asked for only while somebody waits for that.
//!
//! The kernel's list of interfaces is read, each of them is looked at, and services are asked, in tasks of their own,
//! beside each other: a device or a service that does not answer holds up neither the loop nor what goes by another
//! one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::shared::Shared;
use crate::backend::{Bus, BusWatches};
use crate::base;
use crate::base::OrderedSet;
use crate::base::heartbeat::Hearts;
use crate::base::lane::Stuck;
use crate::base::waking;
use crate::bearer::ConnectionType;
use crate::bearer::{self, Choice, Id, Interface, KnownInterfaces, Links, Told};
use crate::connectivity;
use crate::session::Queue;

/// How often the network is looked at where the kernel does not tell, and what did not answer.
const LOOK: Duration = Duration::from_secs(30);

/// The watch of the network, and what is known of it.
#[derive(Debug, Default)]
pub(super) struct Network {
    source: Option<NetworkNews>,
    /// The signals of services, while there is a source.
    signals: Option<Arc<BusWatches<()>>>,
    known: KnownInterfaces,
    /// The addresses at the last look, since there is a source.
    before: Option<OrderedSet<(String, IpAddr)>>,
    looks: JoinSet<Event>,
    /// Whether the list is being read, and whether it is to be read again after that.
    reading: bool,
    again: bool,
    /// Whether services are being asked, and whether they are to be asked again after that.
    asking: bool,
    ask_again: bool,
    /// Whether what is known is how it is: nothing is told that has not been looked at.
    current: bool,
    /// Whether the list could not be read.
    silent: bool,
    /// The time when what did not answer is looked at again.
    look_again: Option<Instant>,
}

#[derive(Debug)]
enum NetworkNews {
    Kernel(bearer::NetlinkWatch),
    Clock(tokio::time::Interval),
}

/// An event of the network.
#[derive(Debug)]
pub(super) enum Event {
    /// The network has changed in some way.
    Changed,
    /// The list of interfaces was read.
    Links(Result<Links, Stuck>),
    /// An interface was looked at, and what is below it.
    Seen(Id, Result<Vec<Interface>, String>),
    /// Services have news.
    Signalled,
    /// Services were asked; whether their signals are waited for.
    Told(Told, bool),
}

impl Network {
    /// Begins to listen, or stops; returns whether it has begun.
    fn listen(&mut self, wanted: bool) -> bool {
        let begins = wanted && self.source.is_none();
        if !wanted {
            (self.source, self.signals, self.before, self.look_again) = (None, None, None, None);
        } else if begins {
            self.source = Some(match bearer::NetlinkWatch::new() {
                Ok(watch) => NetworkNews::Kernel(watch),
                Err(error) => {
                    log::warn!(
                        "the kernel does not tell of network changes (netlink: {error}): the network is looked at every {} s",
                        LOOK.as_secs()
                    );
                    NetworkNews::Clock(tokio::time::interval_at(tokio::time::Instant::now() + LOOK, LOOK))
                }
            });
        }
        // Only the kernel tells of every change.
        self.current &= matches!(self.source, Some(NetworkNews::Kernel(_)));
        begins
    }

    /// Waits for the next event; for ever while nobody wants to know.
    pub(super) async fn event(&mut self) -> Event {
        tokio::select! {
            Some(Ok(looked)) = self.looks.join_next() => looked,
            () = changed(&mut self.source) => Event::Changed,
            () = signalled(self.signals.clone()) => Event::Signalled,
        }
    }

    /// The time when what did not answer is to be looked at again; none while nobody wants to know.
    pub(super) fn due(&self) -> Option<Instant> {
        self.look_again.filter(|_| self.source.is_some() && !self.reading)
    }

    /// Whether what is known is how the network is.
    pub(super) fn is_current(&self) -> bool {
        self.current
    }

    /// Whether what is not bound leaves by a metered link; none: that is not known yet.
    pub(super) fn leaves_metered(&self) -> Option<bool> {
        if self.current { self.known.leaves_metered() } else { None }
    }

    /// The binding of a session that prefers these connection types.
    pub(super) fn choose(&self, preferred: &[ConnectionType]) -> Choice {
        match preferred {
            [] | [ConnectionType::AnyAvailable, ..] => Choice::Any,
            _ if self.current => self.known.choose(preferred),
            _ => Choice::Unknown,
        }
    }

    /// Takes the list that was read; returns the interfaces to be looked at, and whether an address is there that was
    /// not there before.
    fn read(&mut self, links: Result<Links, Stuck>) -> (Vec<Id>, bool) {
        (self.reading, self.current) = (false, true);
        let changed = std::mem::take(&mut self.again);
        let links = match links {
            Ok(links) => links,
            // What was known may be so yet.
            Err(stuck) => {
                if !std::mem::replace(&mut self.silent, true) {
                    log::warn!(
                        "which interfaces are up is not known: {stuck}: looked at every {} s",
                        LOOK.as_secs()
                    );
                }
                return (Vec::new(), false);
            }
        };
        self.silent = false;
        let asked = self.known.note(links.up, links.defaults);
        let came_up = match self.before.replace(links.addresses) {
            Some(before) => self.before.iter().flatten().any(|address| !before.contains(address)),
            // What has changed since it is listened to may be that.
            None => changed,
        };
        (asked, came_up)
    }

    fn look_again_if_silent(&mut self) {
        let doubt = self.silent || self.known.is_in_doubt();
        self.look_again = doubt.then(|| waking::now() + LOOK);
    }
}

async fn signalled(signals: Option<Arc<BusWatches<()>>>) {
    match signals {
        Some(signals) => drop(signals.changed().await),
        None => std::future::pending().await,
    }
}

async fn changed(source: &mut Option<NetworkNews>) {
    match source {
        None => std::future::pending().await,
        Some(NetworkNews::Kernel(watch)) => {
            if watch.changed().await.is_err() {
                // Without the kernel's word, a look now and then.
                *source = Some(NetworkNews::Clock(tokio::time::interval(LOOK)));
            }
        }
        Some(NetworkNews::Clock(interval)) => {
            interval.tick().await;
        }
    }
}

impl Network {
    /// Listens while somebody waits for the network. What it is at the beginning is looked at.
    pub(super) fn follow(&mut self, queue: &Queue, bus: &Arc<Bus>, hearts: &mut Hearts) {
        if self.listen(queue.wants_network()) {
            self.signals = Some(Arc::default());
            // Services may have said something else meanwhile.
            self.ask(bus, hearts);
            if !self.reading {
                self.read_list(hearts);
            }
        }
    }

    /// Looks at the network, once more if somebody does already.
    pub(super) fn look(&mut self, bus: &Arc<Bus>, hearts: &mut Hearts) {
        if self.signals.is_none() {
            self.known.forget_told();
        }
        self.ask(bus, hearts);
        self.read_list(hearts);
    }

    fn read_list(&mut self, hearts: &mut Hearts) {
        if std::mem::replace(&mut self.reading, true) {
            self.again = true;
            return;
        }
        let read = async { Event::Links(bearer::links().await) };
        base::spawn_in(&mut self.looks, hearts.watch("the look at the network".to_owned(), read));
    }

    /// Asks services, once more if somebody does already. Signals first: what changes after that is not missed.
    fn ask(&mut self, bus: &Arc<Bus>, hearts: &mut Hearts) {
        if std::mem::replace(&mut self.asking, true) {
            self.ask_again = true;
            return;
        }
        let (bus, signals) = (Arc::clone(bus), self.signals.clone());
        let ask = async move {
            let is_heard = match signals {
                Some(signals) => signals.listen(&(), &bus, connectivity::signs()).await,
                None => Ok(()),
            };
            let is_heard = is_heard.inspect_err(|why| log::debug!("services can't tell of links: {why}"));
            Event::Told(connectivity::told(&bus).await, is_heard.is_ok())
        };
        base::spawn_in(&mut self.looks, hearts.watch("the look at the network's services".to_owned(), ask));
    }

    /// Takes note of an event.
    pub(super) fn take_note(&mut self, event: Event, queue: &mut Queue, bus: &Arc<Bus>, shared: &mut Shared) {
        match event {
            Event::Changed => {
                self.current = false;
                self.read_list(&mut shared.hearts);
                return;
            }
            Event::Signalled => {
                self.ask(bus, &mut shared.hearts);
                return;
            }
            Event::Told(told, is_heard) => {
                self.asking = false;
                // Without a bus there is nobody to hear; with one that has gone away, it is looked at again.
                let is_partial = told.is_partial;
                self.known.hear(told);
                if !is_heard && !is_partial {
                    log::debug!("there is no message bus: the kernel alone says which links there are");
                }
                if std::mem::take(&mut self.ask_again) {
                    self.ask(bus, &mut shared.hearts);
                }
            }
            Event::Links(links) => {
                let again = self.again;
                let (asked, came_up) = self.read(links);
                for id in asked {
                    let name = format!("the look at the interface {}", id.name);
                    let look = async {
                        let seen = bearer::look(&id.name).await;
                        Event::Seen(id, seen)
                    };
                    base::spawn_in(&mut self.looks, shared.hearts.watch(name, look));
                }
                if came_up {
                    queue.network_came_up(waking::now(), &mut || shared.random.next_u32());
                }
                if again {
                    self.read_list(&mut shared.hearts);
                }
            }
            Event::Seen(id, seen) => {
                let (seen, why) = match seen {
                    Ok(seen) => (Some(seen), None),
                    Err(why) => (None, Some(why)),
                };
                let is_news = self.known.tell(&id, seen);
                if let Some(why) = why.filter(|_| is_news) {
                    let (name, every) = (id.name, LOOK.as_secs());
                    log::warn!("{name}: its connection type is not known: {why}: looked at every {every} s");
                }
            }
        }
        self.look_again_if_silent();
        queue.network_changed();
    }
}
