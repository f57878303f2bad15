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
//!                                                        backend ─▶ file · sysfs · D-Bus · script · store · builtin
//! ```
//!
//! | room | what is in it | pure |
//! |---|---|---|
//! | [`config`] | configuration: fragments → merged → [`config::Settings`]; accounts; secrets | no |
//! | [`notification`] | Package#0: its codec, the WSP push PDU around it, the gate that admits it; the UDP listener | all but the listener |
//! | [`session`] | the session machine, its driver, and the queue that says when and with whom | machine and queue |
//! | [`package`] | Packages #1, #2, #3: a neutral model and the codec of each wire profile | yes |
//! | [`command`] | one file a DM command; the one place that chooses status codes | no |
//! | [`uri`] | ClientURI and ServerURI | yes |
//! | [`tree`] | management objects at run time: resolve, authorise, read, write | no |
//! | [`ddf`] | the Device Description Framework: model and parser | yes |
//! | [`xml`] | XML from outside, for DDFs and DM 1.x documents: decoded, bounded, nothing fetched | yes |
//! | [`mo`] | management objects as described: mapping files, values, pipelines | all but the loader |
//! | [`backend`] | where values come from and go to: files, D-Bus, programs, os-release, builtins…; how an effect is taken back | no |
//! | [`transport`] | HTTPS: TLS, authentication, proxies, one connection a session | no |
//! | [`bearer`] | network interfaces: which is up, what it is, what carries a session | the choice |
//! | [`bootstrap`] | accounts asked for where there are none: what comes, and what is kept of it | all but the exchange |
//! | [`store`] | what survives a power cut | no |
//! | [`alert`] | Generic Alerts on their way to a server | no |
//! | [`subscription`] | SUB: noticing changes, putting them to a data repository | the schedule |
//! | [`watches`] | files that values come from, watched | no |
//! | [`push`] | the bridge to a push service: registration, and Package#0 in a push message | all but the exchange |
//! | [`just_in_time`] | configuration that a local application lacks, from where a server said by DEFAULT | no |
//! | [`exec`] | EXECs, from their command until a server was told how they ended | no |
//! | [`daemon`] | the loop that owns the queue; loading and reloading; systemd | no |
//! | [`world`] | what a session needs, as it was when the session began | – |
//! | [`control`] | `omadmctl`, the operator's tool | no |
//! | [`attempts`] | what may end the agent: not begun a third time | no |
//! | [`lane`], [`turn`] | threads for what may block outside, bounded in number and time; turns on the agent's own | no |
//! | [`heartbeat`] | whether each task advances: only then the watchdog hears that all is well | no |
//! | [`waking`] | the clock that the agent waits by, which counts suspended time; which timers go by it | no |
//! | [`edge`], [`cli`], [`journal`], [`files`] | signals and randomness, command lines, log lines, atomic files | no |

pub mod alert;
pub mod backend;
pub mod base;
pub mod bearer;
pub mod bootstrap;
pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod daemon;
pub mod ddf;
pub mod edge;
pub mod exec;
pub mod just_in_time;
#[cfg(feature = "lab")]
pub mod lab;
pub mod mo;
pub mod notification;
pub mod package;
pub mod push;
pub mod repository;
pub mod session;
pub mod spanned;
pub mod store;
pub mod subscription;
pub mod transport;
pub mod tree;
pub mod uri;
pub mod watches;
pub mod world;
pub mod xml;
