//! Package#0, the DM Notification (TS 5.2.1, 7.1, Appendix D.1).
//!
//! A datagram goes from the [`listener`] to the [`gate`], which unwraps it ([`wsp`]), decodes it ([`package`])
//! and answers with a [`Trigger`] or with the reason to drop it, which the [`tally`] counts. Only the listener
//! does I/O. [`outgoing`] is the other end's half, for the lab, the operator's tool and tests.

pub(crate) mod gate;
pub(crate) mod listener;
pub mod outgoing;
pub mod package;
pub(crate) mod tally;
pub mod wsp;

mod clock;
mod memory;

use crate::bearer::ConnectionType;
use crate::uri::ServerId;

/// The trigger of a session: what an admitted notification asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// The account that the notification is for.
    pub server_id: ServerId,
    /// The NOTIFICATION-ID, if the notification has one.
    pub notification_id: Option<u16>,
    /// Preferred connection types, most preferred first; empty: no preference.
    pub preferred: Vec<ConnectionType>,
    /// Whether Package#1 must carry the MOS array.
    pub req_mos: bool,
    /// Requested-MO-CV: index into the last MOS sent to the server, and the server's cache validator.
    pub requested: Vec<(u16, Vec<u8>)>,
}
