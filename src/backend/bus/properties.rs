//! The interface `org.freedesktop.DBus.Properties`, and what its replies mean.

use zbus::Message;

use super::Trouble;
use crate::backend::answer::MAX_INPUT;

pub(super) const INTERFACE: &str = "org.freedesktop.DBus.Properties";

/// Bounds a reply before it is taken apart, which takes far more room.
pub(super) fn bounded(reply: Message) -> Result<Message, Trouble> {
    if reply.body().len() > MAX_INPUT {
        return Err(Trouble::Refused("the reply".to_owned(), format!("more than {MAX_INPUT} bytes")));
    }
    Ok(reply)
}

/// Turns trouble about a wrong argument into one about a property or an interface that is not there, as GLib and others
/// call that.
pub(super) fn unknown(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Refused(name, why) if name == "org.freedesktop.DBus.Error.InvalidArgs" => {
            Trouble::Absent(why)
        }
        other => other,
    }
}
