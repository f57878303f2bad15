//! HTTPS to DM Servers and data repositories: one TLS configuration an account, one connection a session.

mod origin;

pub use origin::Origin;
