//! The names of servers and of management objects: two types of text that are never mistaken for each other.

use std::borrow::{Borrow, Cow};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Makes one of the two types of names: a text that nothing else is taken for, written and read as that text alone.
macro_rules! name {
    ($(#[$doc:meta])+ $name:ident) => {
        $(#[$doc])+
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// Makes a name that the program itself knows.
            #[must_use]
            pub const fn fixed(text: &'static str) -> Self {
                Self(Cow::Borrowed(text))
            }

            /// The text of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The bytes of the name's text.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(Cow::Owned(text.to_owned()))
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(Cow::Owned(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into_owned()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl log::kv::ToValue for $name {
            fn to_value(&self) -> log::kv::Value<'_> {
                log::kv::Value::from(self.as_str())
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                self.0 == text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                self.0 == *text
            }
        }
    };
}

name! {
    /// A server id: the name of a DM server, and so of its account.
    ServerId
}

name! {
    /// A MOID: the URN that names a management object (TS 6.1).
    Moid
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[test]
    fn it_is_written_and_found_as_its_text() {
        let id = ServerId::from("acme");
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"acme\"");
        assert_eq!(serde_json::from_str::<ServerId>("\"acme\"").unwrap(), id);
        assert_eq!((id.to_string().as_str(), format!("{id:>6}").as_str()), ("acme", "  acme"));
        assert_eq!(BTreeMap::from([(id.clone(), 1)]).get("acme"), Some(&1));
        assert_eq!(HashMap::from([(ServerId::fixed("acme"), 1)]).get(id.as_str()), Some(&1));
        assert!(id == "acme" && id == ServerId::fixed("acme") && id < ServerId::fixed("b"));
    }
}
