//! The transport against real servers on loopback.

mod authentication;
mod exchange;
mod proxied;
mod secured;
mod server;

use super::{Failure, TransportError};

/// The failure of an error that is one.
fn failure(error: TransportError) -> Failure {
    match error {
        TransportError::Failed { failure, .. } => failure,
        TransportError::Refused(refused) => panic!("refused: {refused}"),
    }
}
