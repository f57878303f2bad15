//! Replies of a lab server, and how they may be spoilt.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A reply to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// Header fields besides Content-Length and Date.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long the server thinks before it answers.
    pub delay: Duration,
    /// The fault that spoils it.
    pub fault: Fault,
}

/// A fault of a reply: what goes wrong with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// No fault.
    #[default]
    None,
    /// The connection is closed after the request was read; nothing is sent.
    Close,
    /// The connection is closed after this many bytes of the body.
    Truncate(usize),
    /// The body is sent in pieces of `bytes`, `every` so often.
    Trickle {
        /// Size of a piece.
        bytes: usize,
        /// Time between pieces.
        every: Duration,
    },
}

impl Reply {
    /// An empty reply with this status.
    #[must_use]
    pub fn status(code: u16) -> Self {
        Self {
            status: StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Vec::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
            fault: Fault::None,
        }
    }

    /// A reply of 200 with a body of this type.
    #[must_use]
    pub fn ok(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::status(200).header("content-type", content_type) }
    }

    /// A reply with a Package#2 of the draft profile with these commands: a JSON array of arrays.
    #[must_use]
    pub fn commands(commands: &serde_json::Value) -> Self {
        Self::package(&serde_json::json!({ "CMD": commands }))
    }

    /// A reply with this Package#2, as given.
    #[must_use]
    pub fn package(package: &serde_json::Value) -> Self {
        Self::ok("application/vnd.oma.dm.request+json", package.to_string())
    }

    /// A reply that is none: the connection is closed instead.
    #[must_use]
    pub fn closed() -> Self {
        Self { fault: Fault::Close, ..Self::status(500) }
    }

    /// Adds a header field to the reply.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has the reply sent after `delay`.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Has the connection break when half of the body is sent.
    #[must_use]
    pub fn broken_off(self) -> Self {
        Self { fault: Fault::Truncate(self.body.len() / 2), ..self }
    }

    /// Has the body sent in pieces.
    #[must_use]
    pub fn trickled(self, bytes: usize, every: Duration) -> Self {
        Self { fault: Fault::Trickle { bytes, every }, ..self }
    }

    /// Whether the client gets all of a 2xx reply.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.status.is_success() && matches!(self.fault, Fault::None | Fault::Trickle { .. })
    }

    /// Whether the reply is a Package#2 with END, and the client gets it.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        let commands = serde_json::from_slice::<serde_json::Value>(&self.body).unwrap_or_default();
        let commands = commands.get("CMD").and_then(|list| list.as_array()).cloned().unwrap_or_default();
        self.is_delivered() && commands.iter().any(|command| command.get(0).is_some_and(|name| name == "END"))
    }

    /// The HTTP response; none where the connection is to be closed without one.
    #[must_use]
    pub fn response(&self) -> Option<hyper::Response<ReplyBody>> {
        if self.fault == Fault::Close {
            return None;
        }
        let mut response = hyper::Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        if !self.body.is_empty() || self.status != StatusCode::NO_CONTENT {
            response = response.header("content-length", self.body.len());
        }
        response.body(ReplyBody::new(self)).ok()
    }
}

/// A response body that can stall and break off.
#[derive(Debug)]
pub struct ReplyBody {
    rest: Bytes,
    piece: usize,
    pause: Duration,
    sleeping: Option<Pin<Box<Sleep>>>,
    breaks: bool,
}

impl ReplyBody {
    fn new(reply: &Reply) -> Self {
        let whole = Self {
            rest: reply.body.clone(),
            piece: usize::MAX,
            pause: Duration::ZERO,
            sleeping: None,
            breaks: false,
        };
        match reply.fault {
            Fault::Truncate(at) => {
                Self { rest: reply.body.slice(..at.min(reply.body.len())), breaks: true, ..whole }
            }
            Fault::Trickle { bytes, every } => Self { piece: bytes.max(1), pause: every, ..whole },
            Fault::None | Fault::Close => whole,
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(sleeping) = &mut self.sleeping {
            std::task::ready!(sleeping.as_mut().poll(context));
            self.sleeping = None;
        }
        if self.rest.is_empty() {
            let end = self.breaks.then(|| Err(std::io::Error::other("the lab breaks this answer off")));
            self.breaks = false;
            return Poll::Ready(end);
        }
        let piece = self.piece.min(self.rest.len());
        let piece = self.rest.split_to(piece);
        // A break waits a moment, so that what was sent has left the buffers before the connection goes.
        let pause = if self.breaks { Duration::from_millis(20) } else { self.pause };
        if !pause.is_zero() {
            self.sleeping = Some(Box::pin(sleep(pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
