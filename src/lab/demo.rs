//! `omadm-lab demo`: a session from notification to END, on this machine's loopback, as a transcript.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::agent_state::Surroundings;
use crate::base::lane::MainThread;
use crate::config::{Environment, Selection};
use crate::daemon::{self, DaemonError, Signal};
use crate::startup::OsRandom;

use super::challenge::Challenge;
use super::gateway::{Account, Auth, Gateway};
use super::notifier::Notification;
use super::server::{Options as ServerOptions, Server};
use super::tape::{Exchange, Received};
use super::transcript::Transcript;
use super::{Authority, Reply, Repository, Script, Tape};

/// The options of `omadm-lab demo`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether it ends by itself after the first session.
    pub once: bool,
    /// A script of one's own instead of the demo's.
    pub script: Option<PathBuf>,
    /// Whether header fields, whole bodies, and the agent's own log are shown.
    pub verbose: bool,
    /// Whether the output is a terminal that shows colours.
    pub colour: bool,
}

/// Why a demo failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, a socket or the output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The CA could not be made.
    #[error("making certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The file of `--script` is wrong.
    #[error("{}: {what}", file.display())]
    Script {
        /// The file.
        file: PathBuf,
        /// The problem with it.
        what: String,
    },
    /// The agent did not start, or ended by itself.
    #[error("the agent: {0}")]
    Agent(String),
    /// The session was not what the demo expects.
    #[error("the session went wrong: {0}")]
    Session(String),
}

/// The server id of the demo's account.
pub(super) const SERVER_ID: &str = "lab";
/// The secret that the notification's digest is made with.
const SECRET: &str = "the demo's notification secret";
/// The text that HGET fetches.
pub(super) const BANNER: &str = "Managed by omadm-lab";
/// How long a session may take.
const SESSION_LIMIT: Duration = Duration::from_secs(60);
/// How long the agent may take to end a session that has its END.
const FAREWELL: Duration = Duration::from_secs(5);
/// The statuses of each Package#3 of the demo's own script.
const EXPECTED: &[&[u64]] = &[&[200, 200, 200], &[200], &[200, 200], &[200, 200], &[501, 404]];
/// The script that is played, unless another is given.
const SCRIPT: &str = include_str!("../../lab/demo/script.json");

/// Runs the demo until its session has ended (`once`), or until Ctrl-C.
///
/// # Errors
/// Whatever kept the session from ending as it should.
pub async fn run(options: Options, out: impl Write) -> Result<(), Error> {
    let bench = Bench::start(&options).await?;
    let mut transcript = Transcript::new(out, options.colour, options.verbose);
    bench.introduce(&mut transcript)?;

    let (signal, signals) = mpsc::channel(1);
    let agent = bench.agent(signals);
    tokio::pin!(agent);
    let outcome = tokio::select! {
        ran = &mut agent => return Err(ran.err().unwrap_or(Error::Agent("ended by itself".to_owned()))),
        outcome = bench.play(&mut transcript, &options) => outcome,
    };
    // Nobody listens only if the agent has ended, which the next line tells.
    let _ = signal.send(Signal::Stop).await;
    agent.await?;
    outcome
}

/// The answers that `file` asks for, or else the demo's own script; and what in it may be a slip.
pub(super) fn script(file: Option<&Path>, repository: &str) -> Result<(Vec<Reply>, Vec<String>), Error> {
    let wrong = |what: String| Error::Script { file: file.unwrap_or(Path::new("script.json")).into(), what };
    let text = match file {
        Some(file) => std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?,
        None => SCRIPT.to_owned(),
    };
    Ok((Script::parse(&text, repository).map_err(wrong)?, Script::doubts(&text)))
}

/// The peers of the demo's agent, and the agent's files.
struct Bench {
    repository: Repository,
    repository_server: Server,
    server: Server,
    tape: Tape,
    socket: std::net::UdpSocket,
    gateway: Gateway,
    // Last: the folder goes when nothing uses it any more.
    folder: TempDir,
}

impl Bench {
    async fn start(options: &Options) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("omadm-lab-").tempdir()?;
        let authority = Authority::new("omadm-lab throw-away CA")?;
        let tape = Tape::default();

        let repository = Repository::default();
        repository.put("/banner", "text/plain", BANNER);
        let identity = authority.server()?;
        let setup = ServerOptions::new("repository", identity.clone(), &tape);
        let repository_server = Server::start(setup, repository.handler()).await?;

        let (replies, _) = script(options.script.as_deref(), &repository_server.origin())?;
        let script = Script::session(replies).repeated();
        let (user, password) = ("gateway".to_owned(), "the demo's password".to_owned());
        let challenge = Challenge::Basic { user: user.clone(), password: password.clone() };
        let setup = ServerOptions::new("DM server", identity, &tape).challenging(challenge);
        let server = Server::start(setup, script.handler()).await?;

        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let gateway = Gateway::new(folder.path())?;
        gateway.configure(socket.local_addr()?, "")?;
        gateway.put_account(&Account {
            origins: vec![repository_server.origin()],
            auth: Auth::Basic(user, password),
            secret: Some(SECRET.to_owned()),
            ..Account::new(SERVER_ID, &format!("{}/dm?id=[DevID]", server.origin()), &authority)
        })?;
        Ok(Self { repository, repository_server, server, tape, socket, gateway, folder })
    }

    fn introduce(&self, transcript: &mut Transcript<impl Write>) -> Result<(), Error> {
        transcript
            .line("A DM session from its notification to END. Server, repository and agent run on this")?;
        transcript
            .line("machine and end with this program; what the agent answers is this machine's own.\n")?;
        transcript.line(&format!("      DM server   {}", self.server.origin()))?;
        transcript.line(&format!("      repository  {}", self.repository_server.origin()))?;
        transcript.line(&format!("      agent       UDP {}", self.socket.local_addr()?))?;
        transcript.line(&format!("      its files   {}", self.folder.path().display()))?;
        Ok(())
    }

    /// Notifies the agent and shows the session; then, unless `once`, those that others start.
    async fn play(&self, transcript: &mut Transcript<impl Write>, options: &Options) -> Result<(), Error> {
        let notification =
            Notification { request_mos: true, ..Notification::new(SERVER_ID, SECRET.as_bytes(), 1) };
        let agent = self.socket.local_addr()?;
        let datagram = notification.send(agent).await?;
        let what = format!("Package#0 in a WAP push, {} bytes to UDP {agent}", datagram.len());
        transcript.step("DM server", "agent", &what, &notification.describe())?;

        let session = self.follow(transcript, 0);
        let mut shown = tokio::time::timeout(SESSION_LIMIT, session).await.map_err(|_| {
            let refused = self.tape.refused().join("; ");
            Error::Session(format!("no END within {} s {refused}", SESSION_LIMIT.as_secs()))
        })??;
        if options.script.is_none() {
            self.check(self.tape.exchanges().get(..shown).unwrap_or_default())?;
            transcript.line("\nThe session ended, and every answer was as it should be.")?;
        }
        if options.once {
            // The agent has read END, and closed the session.
            let _ = tokio::time::timeout(FAREWELL, self.server.idle()).await;
            return Ok(());
        }
        let secret = self.gateway.path("accounts").join(format!("{SERVER_ID}.notify"));
        transcript.line(&format!(
            "\nCtrl-C ends the demo. Another session, from another terminal:\n  \
             omadm-lab notify {agent} --server-id {SERVER_ID} --secret-file {}",
            secret.display()
        ))?;
        let others = async {
            loop {
                shown = self.follow(transcript, shown).await?;
            }
        };
        tokio::select! {
            ended = others => ended,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        }
    }

    /// Shows exchanges, from number `shown` on, up to the END of a session; answers how many are shown then.
    async fn follow(
        &self,
        transcript: &mut Transcript<impl Write>,
        mut shown: usize,
    ) -> Result<usize, Error> {
        let mut changed = self.tape.watcher();
        loop {
            for exchange in self.tape.since(shown) {
                shown += 1;
                transcript.exchange(&exchange)?;
                if exchange.reply.ends_session() {
                    return Ok(shown);
                }
            }
            changed.changed().await.map_err(io::Error::other)?;
        }
    }

    /// Checks that the demo's own script was answered as it should be.
    fn check(&self, exchanges: &[Exchange]) -> Result<(), Error> {
        let sent = exchanges.iter().filter(|exchange| exchange.request.server == "DM server");
        // The very first one may have been sent without credentials, and again with them.
        let taken = sent.filter(|exchange| exchange.reply.status.is_success());
        let packages: Vec<Received> = taken
            .map(|exchange| exchange.request.package())
            .collect::<Result<_, _>>()
            .map_err(Error::Session)?;
        let wrong = |what: String| Err(Error::Session(what));
        let Some((first, rest)) = packages.split_first() else { return wrong("no package".to_owned()) };
        if !first.json.get("MOS").is_some_and(serde_json::Value::is_array) {
            return wrong("Package#1 has no MOS, although the notification asks for it".to_owned());
        }
        let statuses: Vec<_> = rest.iter().map(Received::statuses).collect();
        if statuses != EXPECTED {
            return wrong(format!("the statuses are {statuses:?}, not {EXPECTED:?}"));
        }
        let banner = rest.get(3).and_then(|package| package.part(2)).map(|part| part.body.as_slice());
        if banner != Some(BANNER.as_bytes()) {
            return wrong("the banner that HGET stored is not what GET reads".to_owned());
        }
        match self.repository.paths().iter().find(|path| path.starts_with("/devices/")) {
            Some(_) => Ok(()),
            None => wrong("the repository got no document".to_owned()),
        }
    }

    /// Runs the agent, from the same library as `omadmd`.
    async fn agent(&self, signals: mpsc::Receiver<Signal>) -> Result<(), Error> {
        let options = daemon::Options {
            selection: Selection::File(self.gateway.config()),
            environment: Environment::current(),
            surroundings: Surroundings::default(),
            main_thread: MainThread::default(),
        };
        let socket = UdpSocket::from_std(self.socket.try_clone()?)?;
        daemon::run(options, vec![socket], signals, Box::new(OsRandom)).await.map_err(|error| match error {
            DaemonError::Configuration(problems) => Error::Agent(problems.to_string()),
            other => Error::Agent(other.to_string()),
        })
    }
}
