//! HTTPS to DM Servers and data repositories: one TLS configuration an account, one connection a session.
//!
//! A [`Client`] belongs to an account: whom it trusts, which origins see its credentials ([`policy`]), how it
//! authenticates. A [`Connection`] belongs to a session and sends one [`Request`] at a time over HTTP/1.1. It
//! authenticates by itself; redirects and retries are the caller's.

mod account_transport;
mod auth;
mod body;
mod bounds;
mod challenge;
mod client;
mod credentials;
mod dial;
mod error;
mod http;
mod limits;
mod link_death;
mod names;
mod policy;
mod produced;
mod proxy;
mod reach;
mod request;
mod retry_after;
mod roots;
mod tls;
mod untrusted;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

pub use auth::AuthProblem;
pub use client::{Client, ClientSettings};
pub use credentials::Auth;
pub use error::{Failure, Remedy, TransportError, is_temporary};
pub use http::Connection;
pub use names::LinkNames;
pub use policy::{Refused, Standing};
pub use produced::{Pieces, ProduceError, Produced};
pub use proxy::Proxies;
pub use reach::Binding;
pub use request::{PeerRole, Request, Response};
pub use retry_after::{location, retry_after, server_time};
pub use tls::{TlsSettingsError, pem_valid_until};
pub use usage::Usage;
