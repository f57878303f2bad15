//! The bounds of every HTTP/1.1 connection, to a server as to a proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::client::conn::http1;
use tokio::sync::Notify;

/// The size of hyper's read buffer, and so of the largest response header and trailer.
const MOST_BUFFERED: usize = 64 * 1024;
/// The most interim responses (1xx) to one request. They are bytes that move, and so would hold off every limit in
/// time.
const MOST_INTERIM: usize = 32;

/// hyper's settings for every HTTP connection.
pub(super) fn protocol() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MOST_BUFFERED).max_header_size(MOST_BUFFERED);
    builder
}

/// Limits the interim responses to `message`; the returned signal comes when there are more than any server needs.
pub(super) fn limit_interim<B>(message: &mut hyper::Request<B>) -> Arc<Notify> {
    let flooded = Arc::new(Notify::new());
    let (left, notify) = (AtomicUsize::new(MOST_INTERIM), Arc::clone(&flooded));
    hyper::ext::on_informational(message, move |_| {
        let less = |left: usize| left.checked_sub(1);
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            notify.notify_one();
        }
    });
    flooded
}
