//! `omadm-lab`'s command line.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand, ValueEnum};
use tokio::net::lookup_host;

use crate::bearer::ConnectionType;

use super::demo;
use super::notifier::Notification;
use super::serve;

/// A DM server, data repository and notifier for a bench or a demo.
#[derive(Debug, Parser)]
#[command(name = "omadm-lab", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows a whole session on this machine: agent, DM server and data repository, made for the occasion
    Demo {
        /// End after the session instead of waiting for Ctrl-C
        #[arg(long)]
        once: bool,
        /// Play this script: a JSON array of packages, each an array of commands; {repository} is the
        /// data repository's origin
        #[arg(long, value_name = "FILE")]
        script: Option<PathBuf>,
        /// Show header fields, whole bodies, and the agent's log
        #[arg(long, short)]
        verbose: bool,
    },
    /// Runs a DM server with a data repository for an agent on a bench
    Serve {
        /// Where to listen
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
        listen: SocketAddr,
        /// The name or address in the server's certificate, by which the agent knows it
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Where the CA's certificate, the account and its secrets are written for the agent to use
        #[arg(long, value_name = "FOLDER")]
        accounts: PathBuf,
        /// The packages of each session, as for demo
        #[arg(long, value_name = "FILE")]
        script: Option<PathBuf>,
        /// Show header fields and whole bodies
        #[arg(long, short)]
        verbose: bool,
    },
    /// Sends a notification to an agent
    Notify {
        /// The agent: HOST or HOST:PORT; the port of WAP push is 2948
        host: String,
        /// The account it is for
        #[arg(long, value_name = "ID")]
        server_id: String,
        /// The notification secret; one newline at its end does not count
        #[arg(long, value_name = "FILE")]
        secret_file: PathBuf,
        /// Ask for the list of management objects
        #[arg(long)]
        request_mos: bool,
        /// Ask for an MO that has another cache validator: its place in the last list, counted from 0, and the
        /// validator
        #[arg(long, value_name = "INDEX:VALIDATOR", value_parser = requested)]
        request: Vec<(u16, Vec<u8>)>,
        /// Connection types, most preferred first
        #[arg(long, value_name = "TYPES", value_delimiter = ',')]
        prefer: Vec<Connection>,
    },
}

fn requested(text: &str) -> Result<(u16, Vec<u8>), String> {
    let (index, validator) = text.split_once(':').ok_or("expected INDEX:VALIDATOR")?;
    let index = index.parse().map_err(|_| "expected an index from 0 to 65535")?;
    Ok((index, validator.as_bytes().to_vec()))
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Connection {
    Any,
    Mobile,
    Wireless,
    Wireline,
}

impl From<Connection> for ConnectionType {
    fn from(connection: Connection) -> Self {
        match connection {
            Connection::Any => Self::AnyAvailable,
            Connection::Mobile => Self::Mobile,
            Connection::Wireless => Self::Wireless,
            Connection::Wireline => Self::Wireline,
        }
    }
}

/// Does what the command line says. Errors go to standard error; then the exit code is 1.
pub async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("omadm-lab: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

impl Command {
    async fn run(self) -> Result<(), demo::Error> {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        match self {
            Self::Demo { once, script, verbose } => {
                log_to_stderr(verbose);
                demo::run(demo::Options { once, script, verbose, colour }, io::stdout()).await
            }
            Self::Serve { listen, host, accounts, script, verbose } => {
                serve::run(serve::Options { listen, host, accounts, script, verbose, colour }, io::stdout())
                    .await
            }
            Self::Notify { host, server_id, secret_file, request_mos, request, prefer } => {
                let agent = resolve(&host).await?;
                let notification = Notification {
                    request_mos,
                    requested: request,
                    preferred: prefer.into_iter().map(Into::into).collect(),
                    ..Notification::new(&server_id, &secret(&secret_file)?, fresh_id())
                };
                Ok(notification.send(agent).await.map(drop)?)
            }
        }
    }
}

/// Logs to standard error: the agent runs inside the demo, and all of its log is shown, or what is wrong.
fn log_to_stderr(verbose: bool) {
    struct Stderr;
    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &log::Record<'_>) {
            let level = record.level().as_str().to_lowercase();
            let line = format_args!("      [agent] {level}: {}\n", record.args());
            let _ = io::Write::write_fmt(&mut io::stderr(), line);
        }
        fn flush(&self) {}
    }
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(if verbose { log::LevelFilter::Debug } else { log::LevelFilter::Error });
    }
}

async fn resolve(host: &str) -> io::Result<SocketAddr> {
    let missing = || io::Error::other(format!("{host}: no address"));
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{host}: {error}"));
    if let Ok(address) = host.parse() {
        return Ok(SocketAddr::new(address, 2948));
    }
    if host.contains(':') {
        lookup_host(host).await.map_err(named)?.next().ok_or_else(missing)
    } else {
        lookup_host((host, 2948)).await.map_err(named)?.next().ok_or_else(missing)
    }
}

fn secret(file: &Path) -> io::Result<Vec<u8>> {
    let mut secret = std::fs::read(file)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
    if secret.last() == Some(&b'\n') {
        secret.pop();
    }
    Ok(secret)
}

/// An id that the last few minutes' notifications did not have.
fn fresh_id() -> u16 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u16::try_from((since.as_millis() / 100) & 0xffff).unwrap_or_default()
}
