//! Signals that tell of changes: of properties, of objects that come and go, and of services that do.
//!
//! A match is asked of the bus for each kind of sign, and a task of its own waits for what comes of it. At rest nothing
//! comes. Where the connection ends, everybody is concerned: whoever looks then asks for it anew.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_core::Stream as _;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use zbus::message::Type;
use zbus::wire::OwnedVariant;
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::properties::INTERFACE;
use super::{BUS, Bus, BusMethod, Trouble};
use crate::backend::answer::MAX_INPUT;
use crate::base;
use crate::base::OneByOne as _;
use crate::base::said::Said;
use crate::base::{OrderedMap, OrderedSet};

/// What asks the bus for signals has this long.
const LIMIT: Duration = Duration::from_secs(10);
/// More signs than these are not followed for one.
const MOST: usize = 64;
/// With more objects of one service than these, the bus is asked once for all that the service tells: it gives a
/// connection only so many rules.
const MOST_RULES: usize = 16;
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
/// The service manager tells of changes only while somebody has asked it to; that ends with the connection.
const SYSTEMD: BusMethod<'_> = BusMethod {
    service: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    name: "Subscribe",
};

/// A sign, by signals of a service, that a value or a listing may be another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BusSign {
    /// The service.
    pub service: String,
    /// The object's path; may hold one `*`.
    pub path: String,
    /// The interface that has the property.
    pub interface: String,
    /// The property; none: any of them, and that objects come and go.
    pub property: Option<String>,
    /// Whether somebody knows that the service tells of all that is meant: it is not asked whether it does.
    pub is_vouched: bool,
}

/// The signs that somebody waits for, of all who do.
#[derive(Debug)]
pub struct BusWatches<K> {
    followed: Mutex<OrderedMap<K, Followed>>,
    seen: Arc<Seen<K>>,
    /// Whether the journal has a line about the bus having refused to tell of changes.
    said: Said,
}

/// What one waits for.
#[derive(Debug)]
struct Followed {
    bus: Arc<Bus>,
    link: Connection,
    signs: OrderedSet<BusSign>,
    /// Whether all of its changes are told.
    is_told: bool,
    waiting: JoinSet<()>,
}

/// Whom what has come concerns.
#[derive(Debug)]
struct Seen<K> {
    concerned: Mutex<OrderedSet<K>>,
    wake: Notify,
}

impl<K: Ord + Clone + Send + 'static> Default for BusWatches<K> {
    fn default() -> Self {
        let seen = Seen { concerned: Mutex::default(), wake: Notify::new() };
        Self { followed: Mutex::default(), seen: Arc::new(seen), said: Said::default() }
    }
}

impl<K: Ord + Clone + Send + 'static> BusWatches<K> {
    /// Waits for these signs, and for no others for `id`. False where not every change would be told. What happened
    /// before may stay untold: look at it after this.
    pub async fn follow(&self, id: &K, bus: &Arc<Bus>, signs: OrderedSet<BusSign>) -> bool {
        if signs.is_empty() {
            self.followed().remove(id);
            return true;
        }
        if let Some(followed) = self.followed().get_mut(id)
            && followed.is_of(bus, &signs)
        {
            return followed.is_told;
        }
        let followed = match tokio::time::timeout(LIMIT, self.ask(id, bus, &signs)).await {
            Ok(Ok(followed)) => followed,
            other => {
                if let Ok(Err(error)) = other {
                    self.say(bus, &error);
                }
                self.followed().remove(id);
                return false;
            }
        };
        let is_told = followed.is_told;
        self.followed().insert(id.clone(), followed);
        is_told
    }

    /// Waits for these signs as [`BusWatches::follow`] does, and asks no service whether it tells of them: where nobody
    /// is, nobody is started.
    ///
    /// # Errors
    /// Nobody will tell.
    pub(crate) async fn listen(
        &self,
        id: &K,
        bus: &Arc<Bus>,
        signs: OrderedSet<BusSign>,
    ) -> Result<(), String> {
        if let Some(followed) = self.followed().get_mut(id)
            && followed.is_of(bus, &signs)
        {
            return Ok(());
        }
        let asked = tokio::time::timeout(LIMIT, self.subscribe(id, bus, &signs)).await;
        let late = |_| "the bus does not answer".to_owned();
        let followed = asked.map_err(late)?.map_err(|error| error.to_string());
        // What was followed before is so no longer.
        self.followed().remove(id);
        self.followed().insert(id.clone(), followed?);
        Ok(())
    }

    /// Says once that the bus has refused to tell of changes.
    fn say(&self, bus: &Bus, error: &zbus::Error) {
        let text = error.to_string();
        if text.contains("LimitsExceeded") && self.said.first() {
            log::warn!(
                "the message bus at {} does not tell of more changes ({text}): what depends on those is polled; raise its limit max_match_rules_per_connection",
                bus.address()
            );
        }
    }

    /// Waits only for what these want.
    pub fn keep(&self, known: impl Fn(&K) -> bool) {
        self.followed().retain(|id, _| known(id));
    }

    /// Waits until something comes, and says whom it concerns.
    pub async fn changed(&self) -> OrderedSet<K> {
        loop {
            let concerned = std::mem::take(&mut *self.seen.lock());
            if !concerned.is_empty() {
                return concerned;
            }
            self.seen.wake.notified().await;
        }
    }

    async fn ask(&self, id: &K, bus: &Arc<Bus>, signs: &OrderedSet<BusSign>) -> zbus::Result<Followed> {
        let mut followed = self.subscribe(id, bus, signs).await?;
        for sign in signs.iter().take(MOST) {
            followed.is_told &= sign.is_told(bus).await;
        }
        Ok(followed)
    }

    /// Asks the bus for the signals of these signs.
    async fn subscribe(&self, id: &K, bus: &Arc<Bus>, signs: &OrderedSet<BusSign>) -> zbus::Result<Followed> {
        let link = bus.link().await?;
        let mut waiting = JoinSet::new();
        let crowded = self.crowded(signs);
        for (rule, wanted) in rules(signs, &crowded)? {
            let stream = MessageStream::for_match_rule(rule, &link, None).await?;
            base::spawn_in(&mut waiting, wait(stream, wanted, Arc::clone(&self.seen), id.clone()));
        }
        let mut is_told = signs.len() <= MOST;
        if signs.iter().any(|sign| sign.service == SYSTEMD.service) {
            is_told &= match bus.call_once(SYSTEMD, &()).await {
                Err(zbus::Error::MethodError(name, ..)) => name.ends_with(".AlreadySubscribed"),
                asked => asked.is_ok(),
            };
        }
        Ok(Followed { bus: Arc::clone(bus), link, signs: signs.clone(), is_told, waiting })
    }

    /// The services of which so many objects are followed that they can't have a rule each, once these signs are.
    fn crowded(&self, signs: &OrderedSet<BusSign>) -> OrderedSet<String> {
        let followed = self.followed();
        let mut objects: OrderedMap<&str, OrderedSet<(&str, &str)>> = OrderedMap::new();
        let known = followed.values().flat_map(|followed| &followed.signs);
        for BusSign { service, path, interface, .. } in known.chain(signs.iter().take(MOST)) {
            objects.entry(service).or_default().insert((path, interface));
        }
        objects.retain(|_, objects| objects.len() > MOST_RULES);
        objects.into_keys().map(str::to_owned).one_by_one()
    }

    fn followed(&self) -> MutexGuard<'_, OrderedMap<K, Followed>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    fn is_of(&mut self, bus: &Arc<Bus>, signs: &OrderedSet<BusSign>) -> bool {
        // One that has ended tells no more.
        let is_over = self.link.is_closed() || self.waiting.try_join_next().is_some();
        Arc::ptr_eq(&self.bus, bus) && self.signs == *signs && !is_over
    }
}

impl<K: Ord> Seen<K> {
    fn lock(&self) -> MutexGuard<'_, OrderedSet<K>> {
        self.concerned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn concerns(&self, id: K) {
        self.lock().insert(id);
        self.wake.notify_one();
    }
}

impl BusSign {
    /// Whether the service tells of it, as it describes itself. One that is not there tells when it comes.
    async fn is_told(&self, bus: &Bus) -> bool {
        if self.is_vouched {
            return true;
        }
        let before = self.path.split('*').next().unwrap_or_default();
        if self.property.is_none() || before != self.path {
            return self.has_manager(bus, before).await;
        }
        match bus.describe(&self.service, &self.path, &self.interface).await {
            Ok(described) => !described.silent.iter().any(|silent| Some(silent) == self.property.as_ref()),
            Err(Trouble::NoService(_) | Trouble::Absent(_)) => true,
            Err(_) => false,
        }
    }

    /// Whether an object at `path` is one of those.
    fn is_at(&self, path: &str) -> bool {
        match self.path.split_once('*') {
            None => self.path == path,
            Some((before, after)) => {
                let between = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                between.is_some_and(|name| !name.is_empty() && !name.contains('/'))
            }
        }
    }

    /// Whether an object manager above the objects tells that they come and go.
    async fn has_manager(&self, bus: &Bus, before: &str) -> bool {
        let mut path = before;
        while let Some((above, _)) = path.rsplit_once('/') {
            let place = if above.is_empty() { "/" } else { above };
            match bus.describe(&self.service, place, OBJECT_MANAGER).await {
                Ok(described) if described.is_there => return true,
                Ok(_) | Err(Trouble::Absent(_) | Trouble::Refused(..)) => path = above,
                Err(Trouble::NoService(_)) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

/// What a property is called, where a rule is for some.
type Properties = Option<OrderedSet<String>>;

/// The part of what comes by a rule that is wanted.
enum Wanted {
    /// All of it, or changes of these properties.
    Changes(Properties),
    /// What concerns one of these signs.
    Signs(Vec<BusSign>),
}

/// What the bus is asked for. Of `crowded` services that is all that they tell.
fn rules(
    signs: &OrderedSet<BusSign>,
    crowded: &OrderedSet<String>,
) -> zbus::Result<Vec<(MatchRule<'static>, Wanted)>> {
    let signal = || MatchRule::builder().msg_type(Type::Signal);
    let mut by_interface: OrderedMap<(&str, &str, &str), Properties> = OrderedMap::new();
    let (mut services, mut managed) = (OrderedSet::new(), OrderedSet::new());
    for BusSign { service, path, interface, property, .. } in signs.iter().take(MOST) {
        services.insert(service.as_str());
        if path.contains('*') {
            managed.insert(service.as_str());
        }
        if crowded.contains(service) {
            continue;
        }
        let known = by_interface.entry((service, path, interface)).or_insert_with(|| Some(OrderedSet::new()));
        match property {
            Some(property) => {
                if let Some(known) = known {
                    known.insert(property.clone());
                }
            }
            None => *known = None,
        }
    }
    let mut rules = Vec::new();
    for ((service, path, interface), properties) in by_interface {
        let rule = signal().sender(service).interface(INTERFACE).member("PropertiesChanged");
        // Up to the component that has the `*` in it.
        let rule = match path.split_once('*').map(|(before, _)| before.rsplit_once('/').unwrap_or_default().0)
        {
            None => rule.path(path),
            Some("") => rule,
            Some(above) => rule.path_namespace(above),
        };
        rules.push((rule.add_arg(interface).build()?.into_owned(), Wanted::Changes(properties)));
    }
    for service in services.iter().filter(|service| crowded.contains(**service)) {
        let rule = signal().sender(*service).interface(INTERFACE).member("PropertiesChanged");
        let its = signs.iter().filter(|sign| sign.service == *service).cloned().one_by_one();
        rules.push((rule.build()?.into_owned(), Wanted::Signs(its)));
    }
    for service in services {
        let rule = signal().sender(BUS).interface(BUS).member("NameOwnerChanged");
        rules.push((rule.add_arg(service).build()?.into_owned(), Wanted::Changes(None)));
    }
    for service in managed {
        let rule = signal().sender(service).interface(OBJECT_MANAGER);
        rules.push((rule.build()?.into_owned(), Wanted::Changes(None)));
    }
    Ok(rules)
}

/// Waits for signals of one rule, until the connection ends: that concerns whoever waits as well.
async fn wait<K: Ord + Clone>(mut stream: MessageStream, wanted: Wanted, seen: Arc<Seen<K>>, id: K) {
    while let Some(Ok(message)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        if wanted.has(&message) {
            seen.concerns(id.clone());
        }
    }
    seen.concerns(id);
}

impl Wanted {
    /// Whether a signal is wanted.
    fn has(&self, message: &Message) -> bool {
        let signs = match self {
            Self::Changes(None) => return true,
            Self::Changes(Some(wanted)) => return names(message, |_, name| wanted.contains(name)),
            Self::Signs(signs) => signs,
        };
        let header = message.header();
        let Some(path) = header.path() else { return false };
        let of_path: Vec<&BusSign> = signs.iter().filter(|sign| sign.is_at(path.as_str())).collect();
        let is_wanted = |sign: &BusSign, interface: &str, name: &str| {
            sign.interface == interface && sign.property.as_deref().is_none_or(|wanted| wanted == name)
        };
        !of_path.is_empty()
            && names(message, |interface, name| of_path.iter().any(|sign| is_wanted(sign, interface, name)))
    }
}

/// Whether a `PropertiesChanged` has a property of its interface that is wanted; whatever can't be read may have.
fn names(message: &Message, is_wanted: impl Fn(&str, &str) -> bool) -> bool {
    if message.body().len() > MAX_INPUT {
        return true;
    }
    type Body = (String, std::collections::HashMap<String, OwnedVariant>, Vec<String>);
    let body: zbus::Result<Body> = message.body().deserialize();
    body.map_or(true, |(interface, changed, invalidated)| {
        changed.keys().chain(&invalidated).any(|name| is_wanted(&interface, name))
    })
}
