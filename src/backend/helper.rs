//! The privileged helper, `omadm-exec`, as the agent reaches it: requests and replies, each wait bounded.
//!
//! Each request has a connection, and by that a process, of its own. What the helper does for an EXEC outlives the
//! connection: whoever comes after collects the result from [`RESULTS`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::BackendError;
use crate::base::AtomicU64;
use crate::helper_protocol::{self as protocol, HelperOp, HelperReply, HelperRequest, Verb, code};

/// The folder where the helper leaves the results of EXECs.
pub(super) const RESULTS: &str = "/run/omadm-exec";
/// The longest time until a connection is made and a request sent.
const CONNECTING: Duration = Duration::from_secs(10);
/// The most EXECs that the helper is asked for at one time: it serves a few requests more, for all else.
const MOST_EXECS: usize = 12;
/// How long the helper may take beyond the limit of what it runs: it reads the object, and lists what variables stand
/// for.
pub(super) const BEYOND: Duration = Duration::from_secs(30);

/// What the names of this life of the agent begin with.
static LIFE: LazyLock<String> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}-", since.as_nanos(), std::process::id())
});
/// The number of names that were made.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The privileged helper.
#[derive(Debug)]
pub struct Helper {
    socket: PathBuf,
    results: PathBuf,
    execs: Arc<Semaphore>,
    /// Told when the helper finds other files than those that the agent has loaded.
    stale: Notify,
}

impl Helper {
    /// Makes the helper that listens on `socket`. Nothing is connected yet.
    #[must_use]
    pub fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            results: RESULTS.into(),
            execs: Arc::new(Semaphore::new(MOST_EXECS)),
            stale: Notify::new(),
        }
    }

    /// Puts the results of EXECs elsewhere, in tests.
    #[cfg(test)]
    pub(crate) fn with_results(self, results: PathBuf) -> Self {
        Self { results, ..self }
    }

    /// The socket that it listens on.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The folder where the results of EXECs are.
    pub(super) fn results(&self) -> &Path {
        &self.results
    }

    /// A place among the EXECs that the helper works at.
    pub(super) fn place_of_exec(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.execs).try_acquire_owned().ok()
    }

    /// Waits until the helper finds other files than those that the agent has loaded.
    pub async fn stale(&self) {
        self.stale.notified().await;
    }

    /// A name that nothing else has, for a request or for what it keeps.
    #[must_use]
    pub fn name() -> String {
        format!("{}{:x}", *LIFE, COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Has what `undo` names put back, or forgotten.
    pub(super) async fn ask_of_undo(&self, verb: Verb, name: &str) -> Result<HelperReply, BackendError> {
        let op = HelperOp { undo: Some(name.to_owned()), ..HelperOp::new(verb, String::new()) };
        self.ask_of_none(op, name).await
    }

    /// Has what was kept for earlier lives of the agent forgotten.
    pub(super) async fn ask_to_forget_earlier(&self) -> Result<HelperReply, BackendError> {
        let op = HelperOp { value: Some(LIFE.as_str().into()), ..HelperOp::new(Verb::Forget, String::new()) };
        self.ask_of_none(op, "earlier changes").await
    }

    /// Has an operation done that is about no object.
    async fn ask_of_none(&self, op: HelperOp, what: &str) -> Result<HelperReply, BackendError> {
        let request = HelperRequest {
            v: protocol::VERSION,
            id: Self::name(),
            server: String::new(),
            folder: String::new(),
            sha256: String::new(),
            ops: vec![op],
        };
        self.ask(&request, what, Duration::ZERO).await
    }

    /// Has the one operation of a request done, which takes no longer than `limit` by itself. `what` is it for
    /// messages.
    pub(super) async fn ask(
        &self,
        request: &HelperRequest,
        what: &str,
        limit: Duration,
    ) -> Result<HelperReply, BackendError> {
        let asked = async {
            let mut stream = self.send(request).await?;
            loop {
                let reply = next(&mut stream).await?;
                if reply.code.is_some() {
                    return Ok(reply);
                }
            }
        };
        let reply = timeout(limit + BEYOND, asked).await;
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        let reply = reply.map_err(late).and_then(|reply| reply).map_err(|error| self.failed(what, &error))?;
        self.checked(what, reply)
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: &HelperRequest) -> io::Result<UnixStream> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "the request is longer than 1 MiB");
        let frame = protocol::frame(request).ok_or_else(too_long)?;
        let sent = timeout(CONNECTING, async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            stream.write_all(&frame).await?;
            Ok(stream)
        });
        sent.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it takes no requests"))?
    }

    /// The error of a helper that can't be asked.
    pub(super) fn failed(&self, what: &str, error: &io::Error) -> BackendError {
        let why = format!("omadm-exec at {}: {error}", self.socket.display());
        BackendError::Helper { what: what.to_owned(), why, temporary: true }
    }

    /// Notes what a reply's code says of the files that the agent has loaded.
    pub(super) fn heed(&self, code: Option<u16>) {
        if code == Some(code::STALE) {
            self.stale.notify_one();
        }
    }

    /// What a reply is: an answer, or an error.
    pub(super) fn checked(&self, what: &str, reply: HelperReply) -> Result<HelperReply, BackendError> {
        let code = reply.code.unwrap_or(code::FAILED);
        if matches!(code, code::OK | code::ABSENT) {
            return Ok(reply);
        }
        self.heed(reply.code);
        let why = reply.error.unwrap_or_else(|| format!("omadm-exec answers {code}"));
        let temporary = matches!(code, code::STALE | code::NOT_NOW | code::TIMEOUT | code::FAILED);
        Err(BackendError::Helper { what: what.to_owned(), why, temporary })
    }
}

/// Reads the next reply.
pub(super) async fn next(stream: &mut UnixStream) -> io::Result<HelperReply> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("its answer {what}"));
    let length = protocol::length(header).ok_or_else(|| odd("is longer than 1 MiB"))?;
    let mut content = vec![0; length];
    stream.read_exact(&mut content).await?;
    protocol::parse_reply(&content).map_err(|error| odd(&format!("is none: {error}")))
}
