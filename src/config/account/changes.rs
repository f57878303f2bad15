//! The changes of an account that its own server may make (TS 11.2), and how they stand to what the account's file, or
//! the bootstrap that brought it, says: a change applies only while that says the same as when it was made.

use sha2::{Digest as _, Sha256};

use super::syntax::{self, LONGEST_ADDRESS};
use super::{Account, NotificationAuth, Push};
use crate::base::OneByOne as _;
use crate::base::OrderedMap;
use crate::base::Secret;
use crate::uri::Origin;

/// The longest secret in bytes that a server may set.
const LONGEST_SECRET: usize = 4096;

/// A value of the DM Account object that its own server may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leaf {
    /// `Name`: the account's name for people.
    Name,
    /// `SrvURI`: the server's address.
    ServerUri,
    /// `AuthNoti/AuthType`; approved: `Auth/Noti/Type`. How notifications are authenticated.
    NotificationType,
    /// `AuthNoti/AuthSecret`; approved: `Auth/Noti/Secret`. The secret of their digests.
    NotificationSecret,
    /// `Auth/Noti/Data` of the approved profile: the authentication data of notifications.
    NotificationData,
    /// `Push/GCM/SenderID`: the server's id with the push service.
    PushSender,
    /// `Push/GCM/RegURL`; approved: `RegURI`. The address that registrations go to.
    PushRegister,
    /// `Push/GCM/UnRegURL`; approved: `UnRegURI`. The address that ends of registrations go to.
    PushUnregister,
    /// `Push/GCM/RegParams`: the query that both addresses get.
    PushParams,
}

/// Why a server's value is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// The address is of another origin: that would be another server's account.
    #[error("of another origin than the account's own")]
    Origin,
    /// The value is not of the leaf's syntax.
    #[error("{0}")]
    Value(String),
}

impl Leaf {
    /// All leaves.
    pub const ALL: [Self; 9] = [
        Self::Name,
        Self::ServerUri,
        Self::NotificationType,
        Self::NotificationSecret,
        Self::NotificationData,
        Self::PushSender,
        Self::PushRegister,
        Self::PushUnregister,
        Self::PushParams,
    ];

    /// The name of the leaf in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::ServerUri => "server-uri",
            Self::NotificationType => "notification.type",
            Self::NotificationSecret => "notification.secret",
            Self::NotificationData => "notification.data",
            Self::PushSender => "push.sender-id",
            Self::PushRegister => "push.register-uri",
            Self::PushUnregister => "push.unregister-uri",
            Self::PushParams => "push.params",
        }
    }

    /// The leaf that the store calls `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|leaf| leaf.name() == name)
    }

    /// Checks whether `value` may take the place of what `account` has.
    ///
    /// # Errors
    /// [`LeafError`]
    pub fn check(self, account: &Account, value: &[u8]) -> Result<(), LeafError> {
        let wrong = |expected: &str| Err(LeafError::Value(format!("expected {expected}")));
        if matches!(self, Self::NotificationSecret | Self::NotificationData) {
            return match value.len() {
                1..=LONGEST_SECRET => Ok(()),
                _ => wrong("a secret of 1 to 4096 bytes"),
            };
        }
        let Ok(text) = std::str::from_utf8(value) else { return wrong("UTF-8 text") };
        match self {
            Self::Name if syntax::is_name(text) => Ok(()),
            Self::PushSender if !text.is_empty() && syntax::is_name(text) => Ok(()),
            Self::Name | Self::PushSender => wrong("at most 255 bytes without control characters"),
            Self::NotificationType if text == "0" => Ok(()),
            Self::NotificationType => wrong("0, a SHA-256 digest"),
            Self::PushParams if syntax::is_query(text) => Ok(()),
            Self::PushParams => wrong("a query such as \"k=v&l=w\", percent-encoded"),
            _ if text.len() > LONGEST_ADDRESS => wrong("an address of at most 4096 bytes"),
            // Plain http is another origin, unless the account itself is of that.
            Self::ServerUri => {
                let own = account.own_origins();
                one_of(syntax::server_uri(text, true), own.get(..1).unwrap_or_default())
            }
            _ => one_of(syntax::push_uri(text, true), &account.own_origins()),
        }
    }
}

fn one_of(found: Result<Origin, impl ToString>, own: &[Origin]) -> Result<(), LeafError> {
    let origin = found.map_err(|error| LeafError::Value(error.to_string()))?;
    if own.contains(&origin) { Ok(()) } else { Err(LeafError::Origin) }
}

/// The changes of an account by its server, as far as they apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(OrderedMap<Leaf, Secret>);

/// A change as it is stored: the leaf's name, a hash of the value that it overrides, the new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChange {
    /// The leaf, as [`Leaf::name`] has it.
    pub leaf: String,
    /// The hash of the value that it overrides, by [`Account::hash`].
    pub over: [u8; 32],
    /// The server's value.
    pub value: Secret,
}

impl Changes {
    /// The stored changes that apply to `account`, which is as its file or its bootstrap has it.
    #[must_use]
    pub fn to(account: &Account, stored: impl IntoIterator<Item = StoredChange>) -> Self {
        let applies = |change: StoredChange| {
            let leaf = Leaf::from_name(&change.leaf)?;
            let sound =
                change.over == account.hash(leaf) && leaf.check(account, change.value.expose()).is_ok();
            sound.then_some((leaf, change.value))
        };
        Self(stored.into_iter().filter_map(applies).one_by_one())
    }

    /// A leaf's value: the server's where it has set one, else the account's own.
    #[must_use]
    pub fn value(&self, account: &Account, leaf: Leaf) -> Option<Vec<u8>> {
        match self.0.get(&leaf) {
            Some(changed) => Some(changed.expose().to_vec()),
            None => account.leaf(leaf),
        }
    }

    /// The account as it is with these changes: what sessions and notifications go by.
    #[must_use]
    pub fn applied(&self, account: &Account) -> Account {
        let mut changed = account.clone();
        if self.0.is_empty() {
            return changed;
        }
        let secret = |leaf| self.value(account, leaf).filter(|value| !value.is_empty()).map(Secret::new);
        let text = |leaf| {
            let value = self.value(account, leaf).filter(|value| !value.is_empty())?;
            String::from_utf8(value).ok()
        };
        changed.name = text(Leaf::Name).unwrap_or_default();
        changed.server_uri = text(Leaf::ServerUri).unwrap_or_else(|| account.server_uri.clone());
        let own = account.notification.as_ref().filter(|_| !self.0.contains_key(&Leaf::NotificationSecret));
        let secret_file = own.and_then(|own| own.secret_file.clone());
        let require_digest = account.notification.as_ref().is_none_or(|known| known.require_digest);
        changed.notification = secret(Leaf::NotificationSecret).map(|secret_| NotificationAuth {
            secret: secret_,
            secret_file,
            data: secret(Leaf::NotificationData),
            require_digest,
        });
        let push = (text(Leaf::PushSender), text(Leaf::PushRegister), text(Leaf::PushUnregister));
        // A registration that lacks an address is none yet.
        changed.push = if let (Some(sender_id), Some(register_uri), Some(unregister_uri)) = push {
            Some(Push { sender_id, register_uri, unregister_uri, params: text(Leaf::PushParams) })
        } else {
            None
        };
        changed
    }
}

impl Account {
    /// A leaf's value as the file or the bootstrap has it.
    #[must_use]
    pub fn leaf(&self, leaf: Leaf) -> Option<Vec<u8>> {
        let (noti, push) = (self.notification.as_ref(), self.push.as_ref());
        let text = |text: &String| text.clone().into_bytes();
        match leaf {
            Leaf::Name => Some(text(&self.name)),
            Leaf::ServerUri => Some(text(&self.server_uri)),
            Leaf::NotificationType => noti.map(|_| b"0".to_vec()),
            Leaf::NotificationSecret => noti.map(|noti| noti.secret.expose().to_vec()),
            Leaf::NotificationData => noti?.data.as_ref().map(|data| data.expose().to_vec()),
            Leaf::PushSender => push.map(|push| text(&push.sender_id)),
            Leaf::PushRegister => push.map(|push| text(&push.register_uri)),
            Leaf::PushUnregister => push.map(|push| text(&push.unregister_uri)),
            Leaf::PushParams => push?.params.as_ref().map(text),
        }
    }

    /// A hash of a leaf's value.
    #[must_use]
    pub fn hash(&self, leaf: Leaf) -> [u8; 32] {
        let mut hash = Sha256::new();
        if let Some(value) = self.leaf(leaf) {
            hash.update([1]);
            hash.update(value);
        }
        hash.finalize().into()
    }

    /// The origins that are the account's own, that of its server first: those that may see its credentials. What a
    /// server changes never adds one.
    #[must_use]
    pub fn own_origins(&self) -> Vec<Origin> {
        let push = self.push.iter().flat_map(|push| [&push.register_uri, &push.unregister_uri]);
        let push = push.filter_map(|uri| syntax::push_uri(uri, true).ok());
        let server = syntax::server_uri(&self.server_uri, true).ok();
        server.into_iter().chain(self.origins.iter().cloned()).chain(push).collect()
    }

    /// Whether a bootstrap brought it, and no file.
    #[must_use]
    pub fn is_bootstrapped(&self) -> bool {
        self.file.as_os_str().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            file: "a.toml".into(),
            server_id: "a".into(),
            server_uri: "https://dm.example/x?id=[DevID]".into(),
            origins: vec!["https://push.example".parse().unwrap()],
            ..Account::nobodys("A")
        }
    }

    fn change(account: &Account, leaf: Leaf, value: &str) -> StoredChange {
        StoredChange {
            leaf: leaf.name().into(),
            over: account.hash(leaf),
            value: Secret::new(value.as_bytes().to_vec()),
        }
    }

    #[test]
    fn every_leaf_has_a_name_of_its_own() {
        for leaf in Leaf::ALL {
            assert_eq!(Leaf::from_name(leaf.name()), Some(leaf));
        }
        assert_eq!(Leaf::from_name("server-id"), None);
    }

    #[test]
    fn a_change_applies_only_while_the_file_has_the_value_that_it_overrides() {
        let account = account();
        let stored = change(&account, Leaf::ServerUri, "https://dm.example/y");
        let changed = Changes::to(&account, [stored.clone()]).applied(&account);
        assert_eq!(changed.server_uri, "https://dm.example/y");
        assert_eq!(Account { server_uri: account.server_uri.clone(), ..changed }, account);
        let edited = Account { server_uri: "https://dm.example/z".into(), ..account.clone() };
        assert_eq!(
            Changes::to(&edited, [stored.clone()]).applied(&edited),
            edited,
            "the operator's edit wins"
        );
        let renamed = Account { name: "B".into(), ..account };
        assert_eq!(
            Changes::to(&renamed, [stored]).applied(&renamed).server_uri,
            "https://dm.example/y",
            "an edit elsewhere in the file changes nothing"
        );
    }

    #[test]
    fn a_secret_that_the_server_sets_makes_the_digest_a_must() {
        let account = account();
        let changed =
            Changes::to(&account, [change(&account, Leaf::NotificationSecret, "s")]).applied(&account);
        let notification = changed.notification.unwrap();
        assert_eq!((notification.secret.expose(), notification.require_digest), (&b"s"[..], true));
    }

    #[test]
    fn a_registration_is_there_when_all_of_it_is() {
        let account = account();
        let mut stored = vec![
            change(&account, Leaf::PushSender, "42"),
            change(&account, Leaf::PushRegister, "https://push.example/r"),
        ];
        assert_eq!(Changes::to(&account, stored.clone()).applied(&account).push, None);
        stored.push(change(&account, Leaf::PushUnregister, "https://dm.example/u"));
        let changed = Changes::to(&account, stored).applied(&account);
        assert_eq!(changed.push.clone().unwrap().unregister_uri, "https://dm.example/u");
        let own =
            |account: &Account| account.own_origins().into_iter().collect::<crate::base::OrderedSet<_>>();
        assert_eq!(own(&changed), own(&account), "a server gives nobody the account's credentials");
    }

    #[test]
    fn values_that_no_account_could_have_are_refused() {
        let account = account();
        let check = |leaf: Leaf, value: &str| leaf.check(&account, value.as_bytes());
        assert_eq!(check(Leaf::ServerUri, "https://dm.example:443/new?[MCC]"), Ok(()));
        for other in [
            "https://dm.example.evil/",
            "http://dm.example/",
            "https://dm.example:8443/",
            "https://push.example/",
        ] {
            assert_eq!(check(Leaf::ServerUri, other), Err(LeafError::Origin), "{other}");
        }
        assert_eq!(check(Leaf::PushRegister, "https://push.example/r"), Ok(()));
        assert_eq!(check(Leaf::PushRegister, "https://evil.example/r"), Err(LeafError::Origin));
        for (leaf, value) in [
            (Leaf::ServerUri, "https://dm.example/[MCC"),
            (Leaf::ServerUri, "https://[DevID]/"),
            (Leaf::ServerUri, ""),
            (Leaf::ServerUri, "file:///etc/passwd"),
            (Leaf::PushRegister, "https://push.example/[DevID]"),
            (Leaf::NotificationType, "1"),
            (Leaf::NotificationType, ""),
            (Leaf::NotificationSecret, ""),
            (Leaf::PushSender, ""),
            (Leaf::PushParams, "a b"),
            (Leaf::Name, "a\nb"),
        ] {
            assert!(matches!(check(leaf, value), Err(LeafError::Value(_))), "{leaf:?} {value:?}");
        }
        let long = format!("https://dm.example/{}", "x".repeat(5000));
        assert!(matches!(check(Leaf::ServerUri, &long), Err(LeafError::Value(_))));
        assert!(Leaf::Name.check(&account, b"\xff").is_err());
        assert_eq!(check(Leaf::Name, ""), Ok(()));
        assert_eq!(check(Leaf::PushParams, ""), Ok(()));
    }
}
