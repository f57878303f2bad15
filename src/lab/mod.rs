//! The lab: a DM server, a data repository and a notifier for a bench, a demo and the tests.
//!
//! It is a peer to try the agent against, never a part of it: it has its own multipart reader and its own
//! checks of credentials, so that a mistake of the agent's codecs does not hide in the lab's.
//!
//! | file | what is in it |
//! |---|---|
//! | [`authority`] | a throw-away CA and the certificates it signs |
//! | [`server`] | the HTTPS server: answers from a handler, misbehaves on request |
//! | [`reply`] | what it answers, faults included |
//! | [`challenge`] | Basic and Digest, seen from the server |
//! | [`script`] | a handler that plays Package#2 after Package#2 |
//! | [`repository`] | a handler that serves and keeps documents |
//! | [`tape`] | every exchange, for tests to assert on and for the transcript |
//! | [`gateway`] | the files of the agent on trial |
//! | [`notifier`] | Package#0 over UDP |
//! | [`transcript`] | exchanges as text for people |
//! | [`demo`], [`serve`], [`cli`] | `omadm-lab` |

pub mod authority;
pub mod challenge;
pub mod cli;
pub mod demo;
pub mod files;
pub mod gateway;
pub mod multipart;
pub mod notifier;
pub mod pretty;
pub mod reply;
pub mod repository;
pub mod script;
pub mod serve;
pub mod server;
pub mod tape;
pub mod transcript;

pub use authority::{Authority, Identity};
pub use challenge::Challenge;
pub use reply::Reply;
pub use repository::Repository;
pub use script::Script;
pub use server::{Options, Server};
pub use tape::{Exchange, Request, Tape};
