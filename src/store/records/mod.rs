//! The records of the store: its layout, table by table, and those records that are more than text and numbers.
//!
//! | table | key | value | form |
//! |---|---|---|---|
//! | `meta` | `schema`, `clock` (seconds since 1970), `used` (bytes in `nodes` and `instances`), `alerts` (the next number), `miid ` MOID (the last one assigned), `folder ` path (see `Change::Folder`), `subscriber-salt`, `subscriber` | what the key says | u64 |
//! | `nodes` | MOID `\0` MIID (`\0` name)… | a stored node | [`Stored`](super::Stored): a tag byte and the value |
//! | `instances` | MOID `\0` MIID | who created it, as a MAID (TS 11.3): `serverid:…`; empty: that account is gone | text |
//! | `pins` | as `nodes` | the first definitive answer of a pinned node | [`Stored`](super::Stored) |
//! | `notifications` | server id `\0` NOTIFICATION-ID (u16) | when it came, seconds since 1970 | u64 |
//! | `contacts` | server id | when a session last ended well, to the day; seconds since 1970 | u64 |
//! | `defaults` | MOID | where its configuration comes from (TS 5.4.10) | server id `\0` ServerURI |
//! | `push` | server id | what push clients want the server to be told (TS D.2) | [`Registration`] |
//! | `cache` | empty | the key of cache validators (TS 12) | 64 random bytes |
//! | `mos` | server id | the MOIDs of the last MOS list that the server got | text, a line each |
//! | `accounts` | server id | the account as a bootstrap brought it | JSON of its DMAcc: `bootstrap::dmacc` |
//! | `overrides` | server id `\0` leaf | what the server changed in its account | a hash of the value it overrides, and the new value |
//! | `intents` | number (u64) | how an effect of a change in progress is taken back | `backend::Undo`: a tag byte for file or property, then its own form |
//! | `subscriptions` | server id `\0` ClientURI | what the server subscribed to | [`Subscription`](super::Subscription) |
//! | `alerts` | place `\0` number (u64) | a Generic Alert that waits; place: server id, or server id `\1` URI | `alert`: JSON |
//! | `execs` | number (u64) | an EXEC that waits, runs, or whose end nobody was told | [`ExecRecord`]: JSON |
//! | `alarms` | MOID `\0` alarm's name `\0` ClientURI | what servers were told of a leaf or an element; with the ClientURI of a list: that it was looked at | [`AlarmRecord`]: JSON |
//! | `triggers` | as `notifications` | what a notification asks for, until its session has ended for good | `trigger`: JSON |
//!
//! Numbers are big endian; those within a stored node or an intent are little endian.
//!
//! # Versions
//!
//! The layout has one version, `schema` in `meta`, and every record is of it; all tables above but `alarms` are of
//! schema 3, the first that was released. A member that is new in a JSON record has a default, and so takes no new
//! schema: an older record is still read. Nor does a new tag byte. Any other change to a record takes a step in
//! `schema`. A record in no form that is known is passed over, with a line, and counts as not there.
//!
//! # Adding a record
//!
//! 1. Its table in `tables`, also in `tables::ALL`; a row here (a test compares the two).
//! 2. Its struct: a file here, if it is more than text and numbers.
//! 3. A variant of [`Change`](super::Change) (the compiler says where it is applied), and a function of
//!    [`Snapshot`](super::Snapshot) that reads it.
//! 4. If it belongs to an account: `forget_server` in `account`, so that it goes with it.
//! 5. A step in `schema` that makes the table in an older file, a fixture of what it comes from, and that fixture's
//!    facts (`tests/fixture.rs`).

pub(crate) mod alert;
pub(crate) mod trigger;

mod alarm;
mod exec;
mod push;

pub use alarm::AlarmRecord;
pub use exec::{EndAlert, EndData, ExecRecord, ProcessGroup};
pub use push::Registration;
