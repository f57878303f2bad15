//! Request bodies: whole, or produced while they are sent.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// Why a body could not be produced.
pub type ProduceError = Box<dyn std::error::Error + Send + Sync>;

/// The pieces of a body, in order.
pub type Pieces = Box<dyn Iterator<Item = Result<Bytes, ProduceError>> + Send>;

/// A body that is too large to be kept: it is produced anew for each attempt, and is the same each time.
#[derive(Clone)]
pub struct Produced {
    /// The length of the body in bytes.
    pub length: u64,
    /// Starts producing the body from its beginning.
    pub start: Arc<dyn Fn() -> Pieces + Send + Sync>,
}

impl fmt::Debug for Produced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Produced").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A request's body on its way out: whole, or produced piece by piece.
pub(super) enum RequestBody {
    Whole(Option<Bytes>),
    Produced { pieces: Pieces, left: u64 },
}

impl RequestBody {
    pub(super) fn new(whole: &Bytes, produced: Option<&Produced>) -> Self {
        match produced {
            Some(produced) => Self::Produced { pieces: (produced.start)(), left: produced.length },
            None => Self::Whole(Some(whole.clone()).filter(|whole| !whole.is_empty())),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ProduceError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ProduceError>>> {
        Poll::Ready(match self.get_mut() {
            Self::Whole(whole) => whole.take().map(|whole| Ok(Frame::data(whole))),
            Self::Produced { pieces, left } => match pieces.next() {
                Some(Ok(piece)) => {
                    *left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                    Some(Ok(Frame::data(piece)))
                }
                Some(Err(error)) => Some(Err(error)),
                None => None,
            },
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_none(),
            Self::Produced { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(whole) => whole.as_ref().map_or(0, |whole| whole.len() as u64),
            Self::Produced { left, .. } => *left,
        })
    }
}
