//! omadm-agent: an OMA Device Management 2.0 client for Linux gateways and routers.
//!
//! This page is the map. Protocol logic takes bytes and a `now`, and returns values; drivers own
//! sockets, clocks, signals and randomness, and are thin. Data flows one way:
//!
//! ```text
//! UDP 2948 ─ notification ──trigger──▶ session::queue ──▶ session ──Package#1/#3──▶ transport ──HTTPS──▶ DM Server
//!                                                           │  ▲                                            │
//!                                                        command ◀──────────────Package#2───────────────────┘
//!                                                           │
//!                                                         tree (resolve → authorise → validate → read/commit)
//!                                                           │
//!                                                        backend ─▶ file · sysfs · script · store · builtin
//! ```
//!
//! | room | what is in it | pure |
//! |---|---|---|
//! | [`cli`] | the command lines | yes |
//! | [`config`] | configuration: fragments → merged → [`config::Settings`]; accounts; secrets | no |
//! | [`notification`] | Package#0: its codec, the WSP push PDU around it, the gate that admits it; the UDP listener | codec and gate |
//! | [`uri`] | ClientURI and ServerURI | yes |
//! | [`ddf`] | the Device Description Framework: model and parser | yes |
//! | [`mo`] | management objects: mapping files, values and formats, serialisation | yes |
//! | [`backend`] | where values come from and go to: files, sysfs, programs, what the agent knows | no |
//! | [`files`] | files that must survive a power cut | no |

pub mod backend;
pub mod bearer;
pub mod cli;
pub mod config;
pub mod ddf;
pub mod files;
pub mod journal;
#[cfg(feature = "lab")]
pub mod lab;
pub mod mo;
pub mod notification;
pub mod package;
pub mod store;
pub mod transport;
pub mod uri;
