//! One connection: one request, read within its time, and its replies.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::setsid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use super::operations;
use super::outcome::{Failure, reply};
use super::rules::Rules;
use crate::backend::{Bus, Machine, SYSTEM_BUS};
use crate::helper_protocol::{HelperReply, code, frame, length, parse};

/// The longest time until a request is there.
const READING: Duration = Duration::from_secs(5);
/// The longest time that whoever asks is waited for, until it has taken all replies: who does not listen is gone.
const TELLING: Duration = Duration::from_secs(10);

/// Whoever waits for replies; once it is gone, what was begun goes on.
pub(super) struct Listener {
    stream: Option<UnixStream>,
    patience: Duration,
}

impl Listener {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream: Some(stream), patience: TELLING }
    }

    /// Whether nobody waits any more.
    pub(super) fn is_gone(&self) -> bool {
        self.stream.is_none()
    }

    /// Tells a reply. One that is too long for a frame is told to be that.
    pub(super) async fn tell(&mut self, reply: &HelperReply) {
        let Some(stream) = &mut self.stream else { return };
        let framed = frame(reply).or_else(|| {
            let (code, error) = (Some(code::FAILED), Some("the answer is longer than 1 MiB".to_owned()));
            frame(&HelperReply { code, error, value: None, ..reply.clone() })
        });
        let begun = Instant::now();
        let told = timeout(self.patience, stream.write_all(&framed.unwrap_or_default())).await;
        self.patience = self.patience.saturating_sub(begun.elapsed());
        if !matches!(told, Ok(Ok(()))) {
            log::debug!("the requester is gone: what has begun goes on");
            self.stream = None;
        }
    }
}

/// Serves the request that is on standard input, a socket.
///
/// # Errors
/// There is none, or it comes from somebody who may not ask.
pub(super) fn serve_stdin() -> io::Result<()> {
    super::speak();
    // By its session whoever listens finds what is left of a request. systemd has made one already.
    let _ = setsid();
    let rules = Rules::of_program()?;
    // A copy that no program inherits, as each gets another standard input.
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let stream = std::os::unix::net::UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let machine = machine(&rules);
        serve(UnixStream::from_std(stream)?, &machine, &rules).await
    });
    // What hangs in a file is left to it: the process ends.
    runtime.shutdown_background();
    served
}

/// The machine as root sees it. Which bus is the system's, no environment says.
pub(super) fn machine(rules: &Rules) -> Machine {
    let bus = Arc::new(Bus::new(SYSTEM_BUS));
    Machine { stage: Some(rules.stage.clone()), ..Machine::new(rules.root.clone(), bus) }
}

/// Serves one request.
///
/// # Errors
/// Whoever asks may not, or does not ask in time.
pub(super) async fn serve(mut stream: UnixStream, machine: &Machine, rules: &Rules) -> io::Result<()> {
    let peer = getsockopt(&stream, PeerCredentials).map_err(|error| {
        io::Error::other(format!("standard input is no socket ({error}): systemd starts this, not people"))
    })?;
    if peer.uid() != 0 && peer.uid() != rules.agent.0 {
        let denied = io::ErrorKind::PermissionDenied;
        return Err(io::Error::new(denied, format!("user {} may ask for nothing", peer.uid())));
    }
    let content = timeout(READING, read(&mut stream)).await;
    let content = content.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no request within 5 s"))??;
    let mut listener = Listener::new(stream);
    let request = parse(&content);
    drop(content);
    match request {
        Ok(request) => operations::serve(&request, machine, rules, &mut listener).await,
        Err(why) => listener.tell(&reply("", 0, Err(Failure::new(code::BAD_REQUEST, why)))).await,
    }
    Ok(())
}

async fn read(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let too_long = || io::Error::new(io::ErrorKind::InvalidData, "the request is longer than 1 MiB");
    let mut content = vec![0; length(header).ok_or_else(too_long)?];
    stream.read_exact(&mut content).await?;
    Ok(content)
}
