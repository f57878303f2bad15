//! The death of the link under a request, so that an answer is not waited for until TCP has given up: the kernel says
//! at once that an address or its interface has gone.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::sync::watch;

use crate::bearer::{NetlinkWatch, is_up};

/// How long a request may take before its link is watched: most are answered by then.
const SOON: Duration = Duration::from_secs(1);
/// How long a link may be away before its connections count as dead: many come back at once, as they were.
const GRACE: Duration = Duration::from_secs(3);

/// Waits until the address that a request is sent from has been down for a while, and returns it. For ever where the
/// kernel does not tell. At rest nothing wakes it.
pub(super) async fn of(mut local: watch::Receiver<Option<SocketAddr>>) -> IpAddr {
    tokio::time::sleep(SOON).await;
    let Ok(kernel) = NetlinkWatch::new() else { return std::future::pending().await };
    loop {
        let address = local.borrow_and_update().map(|address| address.ip().to_canonical());
        if let Some(address) = address.filter(|address| !address.is_loopback())
            && !is_up(address).await
        {
            tokio::time::sleep(GRACE).await;
            let is_same = local.borrow().map(|now| now.ip().to_canonical()) == Some(address);
            if is_same && !is_up(address).await {
                return address;
            }
        }
        tokio::select! {
            changed = kernel.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
            // Another connection, from another address perhaps.
            changed = local.changed() => if changed.is_err() {
                return std::future::pending().await;
            },
        }
    }
}
