//! `omadm-lab serve`: a DM server with a data repository, for an agent on a bench.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::demo::{self, Error};
use super::gateway::{self, Account};
use super::server::{Options as ServerOptions, Server};
use super::transcript::Transcript;
use super::{Authority, Repository, Script, Tape};

/// What `omadm-lab serve` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the DM server listens; the repository takes the next port.
    pub listen: SocketAddr,
    /// The host in certificate and account; the address listened on, where unsaid.
    pub host: Option<String>,
    /// Where account, CA and secret go.
    pub accounts: PathBuf,
    /// What each session plays; the demo's script, where unsaid.
    pub script: Option<PathBuf>,
    /// Header fields and whole bodies.
    pub verbose: bool,
    /// Whether the output shows colours.
    pub colour: bool,
}

/// Serves until Ctrl-C.
///
/// # Errors
/// The port is taken, the folder can't be written, the script is none.
pub async fn run(options: Options, out: impl Write) -> Result<(), Error> {
    let host = options.host.clone().unwrap_or_else(|| options.listen.ip().to_string());
    let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let authority = Authority::new("omadm-lab throw-away CA")?;
    let identity = authority.server_for(&host)?;
    let tape = Tape::default();
    let origin = |address: SocketAddr| format!("https://{shown}:{}", address.port());

    let repository = Repository::default();
    repository.put("/banner", "text/plain", demo::BANNER);
    // Port 0 is any port, for both.
    let port = options.listen.port();
    let beside = SocketAddr::new(options.listen.ip(), if port == 0 { 0 } else { port.wrapping_add(1) });
    let setup = ServerOptions { listen: beside, ..ServerOptions::new("repository", identity.clone(), &tape) };
    let repository_server = Server::start(setup, repository.handler()).await?;
    let repository_origin = origin(repository_server.address());

    let script = Script::session(demo::script(options.script.as_deref(), &repository_origin)?).repeated();
    let setup = ServerOptions { listen: options.listen, ..ServerOptions::new("DM server", identity, &tape) };
    let server = Server::start(setup, script.handler()).await?;

    let uri = format!("{}/dm?id=[DevID]", origin(server.address()));
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let account = Account {
        origins: vec![repository_origin.clone()],
        secret: Some(super::challenge::hex(&random)),
        ..Account::new(demo::SERVER_ID, &uri, &authority)
    };
    gateway::put_account(&options.accounts, &account)?;

    let mut transcript = Transcript::new(out, options.colour, options.verbose);
    transcript.line(&format!("      DM server   {uri}"))?;
    transcript.line(&format!("      repository  {repository_origin}"))?;
    transcript.line(&format!("      account     {}", options.accounts.join("lab.toml").display()))?;
    transcript.line("\nCtrl-C ends it.")?;
    tokio::select! {
        ended = show(&tape, &mut transcript) => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn show(tape: &Tape, transcript: &mut Transcript<impl Write>) -> Result<(), Error> {
    let mut changed = tape.watcher();
    let mut shown = 0;
    loop {
        for exchange in tape.since(shown) {
            shown += 1;
            transcript.exchange(&exchange)?;
        }
        changed.changed().await.map_err(io::Error::other)?;
    }
}
