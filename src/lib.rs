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
//! A room uses only rooms that stand before it in this table. What is pure takes no socket, clock, file, randomness or
//! runtime. `tests/architecture.rs` reads the table and holds the code to it.
//!
//! | room | what is in it | pure |
//! |---|---|---|
//! | [`base`] | what all stand on: threads with bounds, the clock that counts suspended time, atomic files, log lines, what may end the agent | no |
//! | [`xml`] | XML from outside, for DDFs and DM 1.x documents: decoded, bounded, nothing fetched | yes |
//! | [`uri`] | ClientURI and ServerURI, origins, what servers and objects are called | yes |
//! | [`ddf`] | the Device Description Framework: model and parser | yes |
//! | [`spanned`] | TOML that knows its file and lines; one collector of problems | yes |
//! | [`package`] | Packages #1, #2, #3: a neutral model and the codec of each wire profile | yes |
//! | [`bearer`] | network interfaces: which is up, what it is, what carries a session | `default_route`, `known_interfaces`, `link` |
//! | [`transport`] | HTTPS: TLS, authentication, proxies, one connection a session | no |
//! | [`mo`] | management objects as described: mapping files, values, pipelines | all but `load`, `check/machine` |
//! | [`config`] | configuration: fragments → merged → [`config::Settings`]; accounts; where secrets come from | no |
//! | [`notification`] | Package#0: its codec, the WSP push PDU around it, the gate that admits it; the UDP listener | all but `listener` |
//! | [`store`] | what survives a power cut; [`store::records`] are what it keeps | no |
//! | [`helper_protocol`] | what the agent and `omadm-exec`, its privileged helper, say to each other | yes |
//! | [`backend`] | where values come from and go to: files, D-Bus, programs, os-release, builtins…; how an effect is taken back | no |
//! | [`watches`] | what values come from, watched: files (inotify), D-Bus services (signals), neighbours and devices (netlink) | no |
//! | [`connectivity`] | what ModemManager and NetworkManager say of links and of the SIM; names by systemd-resolved | `reading` |
//! | [`helper`] | `omadm-exec`: what it is told is checked against files of root's, then done | no |
//! | [`tree`] | management objects at run time: resolve, authorise, read, write | no |
//! | [`agent_state`] | what a session needs, as it was when the session began; the parameters of ServerURIs | no |
//! | [`repository`] | HTTP with data repositories: what HGET, HPUT, HPOST and subscriptions share | no |
//! | [`exec`] | EXECs, from their command until a server was told how they ended | no |
//! | [`alert`] | Generic Alerts on their way to a server | no |
//! | [`push`] | the bridge to a push service: registration, and Package#0 in a push message | all but `registration` |
//! | [`subscription`] | SUB: noticing changes, putting them to a data repository | `schedule` |
//! | [`alarm`] | alarms of mappings: noticing that a value crosses its limit, telling servers of it | `rule`, `schedule` |
//! | [`command`] | one file a DM command; the one place that chooses status codes | no |
//! | [`just_in_time`] | configuration that a local application lacks, from where a server said by DEFAULT | no |
//! | [`session`] | the session machine, its driver, and the queue that says when and with whom | `machine`, `queue`, `outage` |
//! | [`bootstrap`] | accounts asked for where there are none: what comes, and what is kept of it | all but `exchange` |
//! | [`service`] | the agent's name on the message bus: what is called, who may wait for an answer, signals | all but `mod`, `caller`, `link`, `log_control` |
//! | [`daemon`] | the loop that owns the queue; loading and reloading; systemd | no |
//! | [`cli`] | the command line of `omadmd`, and how a program answers to a wrong one | no |
//! | [`startup`] | where `omadmd` begins: signals, passed sockets, randomness | no |
//! | [`control`] | `omadmctl`, the operator's tool | no |
//! | `lab` | a DM server, a repository and a notifier for tests and the demonstration (feature `lab`) | no |

// So that it is linked.
use no_unwinder as _;

pub mod agent_state;
pub(crate) mod alarm;
pub mod alert;
pub mod backend;
pub mod base;
pub mod bearer;
pub(crate) mod bootstrap;
pub(crate) mod cli;
pub mod command;
pub mod config;
pub(crate) mod connectivity;
pub mod control;
pub mod daemon;
pub mod ddf;
pub mod exec;
pub mod helper;
pub mod helper_protocol;
pub mod just_in_time;
#[cfg(feature = "lab")]
pub mod lab;
pub mod mo;
pub mod notification;
pub mod package;
pub mod push;
pub(crate) mod repository;
pub mod service;
pub mod session;
pub mod spanned;
pub mod startup;
pub mod store;
pub(crate) mod subscription;
pub mod transport;
pub mod tree;
pub mod uri;
pub(crate) mod watches;
pub(crate) mod xml;
