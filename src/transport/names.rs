//! Name resolution: what the C library's resolver says, asked on a lane of its own.
//!
//! The resolver can't be told to give up. A name whose servers are silent keeps a thread for as long as the resolver
//! likes: one thread, however many ask for it meanwhile.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::net::if_::if_nametoindex;
use tokio::sync::watch;

use crate::base::lane;
use crate::uri::Origin;

/// The most addresses of a host that are tried.
const MOST_ADDRESSES: usize = 8;

/// The addresses of a name, once they are known; of a failure the kind and the words, for an error can't be shared.
type Heard = Option<Result<Vec<SocketAddr>, (io::ErrorKind, String)>>;

/// The names that are being resolved, each with the channel on which the answer will come.
static ASKED: Mutex<Vec<(String, watch::Receiver<Heard>)>> = Mutex::new(Vec::new());

/// Name resolution on one link, where the machine has that.
pub trait LinkNames: Send + Sync {
    /// The addresses of `host`, as the name servers of the link with this index say; else why they say nothing. The
    /// implementation bounds the time.
    fn on_link<'a>(
        &'a self,
        host: &'a str,
        index: u32,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, String>> + Send + 'a>>;
}

/// The addresses of an origin's host, at its port, in the resolver's order; at least one. Those that the link says,
/// where there is one to ask; else what the C library says.
pub(super) async fn resolve(
    origin: &Origin,
    link: Option<(&dyn LinkNames, &str)>,
) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = origin.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, origin.port)]);
    }
    if let Some((names, interface)) = link {
        let found = on_link(names, &origin.host, interface).await;
        if !found.is_empty() {
            return Ok(found.into_iter().map(|address| SocketAddr::new(address, origin.port)).collect());
        }
    }
    let mut addresses = ask(&origin.host, look_up).await?;
    for address in &mut addresses {
        address.set_port(origin.port);
    }
    Ok(addresses)
}

async fn on_link(names: &dyn LinkNames, host: &str, interface: &str) -> Vec<IpAddr> {
    let Ok(index) = if_nametoindex(interface) else { return Vec::new() };
    let found = names.on_link(host, index).await;
    let found = found.inspect_err(|why| log::debug!("{host}: resolved without {interface}: {why}"));
    let mut addresses = Vec::new();
    for address in found.unwrap_or_default() {
        if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }
    addresses
}

fn look_up(host: &str) -> io::Result<Vec<SocketAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address) && addresses.len() < MOST_ADDRESSES {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    }
    Ok(addresses)
}

/// Resolves a name, or waits for the answer where that is under way already.
async fn ask(
    host: &str,
    look_up: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let (mut heard, question) = Question::of(host);
    if let Some(question) = question {
        let done = lane::NAMES.run(move || question.answer(look_up)).await;
        done.map_err(|stuck| io::Error::new(io::ErrorKind::TimedOut, stuck))?;
    }
    let gone = |_| io::Error::other("the resolver could not be asked: too many names hang");
    let answer = heard.wait_for(Option::is_some).await.map_err(gone)?.clone();
    match answer {
        Some(Ok(addresses)) => Ok(addresses),
        Some(Err((kind, why))) => Err(io::Error::new(kind, why)),
        None => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn asked() -> MutexGuard<'static, Vec<(String, watch::Receiver<Heard>)>> {
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name that is being resolved, until that is done or this is dropped, not begun where every thread hangs.
struct Question {
    /// The name; none once it is no longer among those that are being resolved.
    host: Option<String>,
    answer: watch::Sender<Heard>,
}

impl Question {
    /// The channel on which the answer for `host` will come; the question itself for the first who asks.
    fn of(host: &str) -> (watch::Receiver<Heard>, Option<Self>) {
        let mut asked = asked();
        if let Some((_, heard)) = asked.iter().find(|(other, _)| other == host) {
            return (heard.clone(), None);
        }
        let (answer, heard) = watch::channel(None);
        asked.push((host.to_owned(), heard.clone()));
        (heard, Some(Self { host: Some(host.to_owned()), answer }))
    }

    fn answer(mut self, look_up: impl FnOnce(&str) -> io::Result<Vec<SocketAddr>>) {
        let found = look_up(self.host.as_deref().unwrap_or_default());
        // Before anybody hears it: who has heard and asks again gets an answer of its own.
        self.forget();
        self.answer.send_replace(Some(found.map_err(|error| (error.kind(), error.to_string()))));
    }

    fn forget(&mut self) {
        if let Some(host) = self.host.take() {
            asked().retain(|(other, _)| *other != host);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn somewhere() -> Vec<SocketAddr> {
        vec![SocketAddr::from(([192, 0, 2, 1], 0))]
    }

    #[tokio::test]
    async fn a_name_that_hangs_is_asked_once_and_holds_up_no_other() {
        let (release, hanging) = channel::<()>();
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&looks);
        let first = tokio::spawn(ask("hangs.test", move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = hanging.recv();
            Ok(somewhere())
        }));
        while looks.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        let joining = || ask("hangs.test", |_| panic!("asked a second time"));
        assert!(timeout(Duration::from_millis(20), joining()).await.is_err(), "it still hangs");
        // Who asked first may have gone; the thread is still at it.
        first.abort();
        let _ = first.await;
        assert!(timeout(Duration::from_millis(20), joining()).await.is_err(), "it still hangs");
        assert_eq!(ask("answers.test", |_| Ok(somewhere())).await.unwrap(), somewhere());
        let joined = tokio::spawn(joining());
        tokio::task::yield_now().await;
        release.send(()).unwrap();
        assert_eq!(joined.await.unwrap().unwrap(), somewhere(), "all hear the one answer");
        assert_eq!(ask("hangs.test", |_| Ok(Vec::new())).await.unwrap(), [], "and who comes later asks anew");
    }

    #[tokio::test]
    async fn a_failure_keeps_its_kind_and_words() {
        let refused =
            ask("none.test", |_| Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))).await;
        let error = refused.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::NotFound, "no such name".to_owned()));
    }
}
