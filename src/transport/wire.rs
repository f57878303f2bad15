//! Byte streams that count what moves on them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::usage::Usage;
use crate::base::AtomicU64;

/// The number of bytes read and written by a connection, so that a slow peer can be told from a dead one.
pub(super) type Moved = Arc<AtomicU64>;

/// A stream that is ready for HTTP, with TLS or without.
pub(super) enum Wire {
    Tls(Box<TlsStream<Metered>>),
    Plain(Metered),
}

/// A TCP stream that counts what moves, and is read to its end before it is found broken.
///
/// A server that has said all it wants to say of a request may close while the request's body is still on its way. Then
/// writing fails, but what it said is there to be read.
pub(super) struct Metered {
    stream: TcpStream,
    moved: Moved,
    usage: Arc<Usage>,
    /// Why nothing can be written any more; none while it can.
    broken: Option<io::ErrorKind>,
    /// Whether nothing more is to be read.
    ended: bool,
}

impl Metered {
    pub(super) fn new(stream: TcpStream, moved: Moved, usage: Arc<Usage>) -> Self {
        Self { stream, moved, usage, broken: None, ended: false }
    }

    fn count(&self, bytes: usize, way: &AtomicU64) {
        self.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        way.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts the bytes that were written. An error is kept back until all is read: whoever writes reads as well, and
    /// reading a broken stream comes to its end by itself.
    fn written(&mut self, done: io::Result<usize>) -> Poll<io::Result<usize>> {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        match done {
            Ok(written) => {
                self.count(written, &self.usage.sent);
                Poll::Ready(Ok(written))
            }
            Err(error) => match error.kind() {
                kind @ (BrokenPipe | ConnectionAborted | ConnectionReset) if !self.ended => {
                    self.broken = Some(kind);
                    Poll::Pending
                }
                _ => Poll::Ready(Err(error)),
            },
        }
    }

    /// The result of every write to a stream that is broken; none while writing is of use.
    fn is_broken(&self) -> Option<Poll<io::Result<usize>>> {
        let kind = self.broken?;
        Some(if self.ended { Poll::Ready(Err(kind.into())) } else { Poll::Pending })
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let done = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        let bytes = buffer.filled().len() - before;
        self.ended |= done.is_err() || (bytes == 0 && buffer.remaining() > 0);
        self.count(bytes, &self.usage.received);
        Poll::Ready(done)
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(broken) = self.is_broken() {
            return broken;
        }
        let done = ready!(Pin::new(&mut self.stream).poll_write(cx, data));
        self.written(done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(broken) = self.is_broken() {
            return broken;
        }
        let done = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, data));
        self.written(done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A stream whose answers are counted, without what TLS says on its own account.
pub(super) struct Heard<S> {
    stream: S,
    heard: Arc<AtomicU64>,
}

impl<S> Heard<S> {
    pub(super) fn new(stream: S, heard: Arc<AtomicU64>) -> Self {
        Self { stream, heard }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.heard.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
