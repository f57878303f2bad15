//! Programs: never through a shell, in a process group of their own, bounded in time and output, always reaped.
//!
//! The environment is cleared. A program gets `PATH`, `OMADM_SERVER_ID`, `OMADM_CLIENT_URI`, `OMADM_MOID` and
//! `OMADM_MIID`, one that goes on after a reboot `OMADM_RESUMED=1`, where files are not below `/` the folder that they
//! are below as `OMADM_SYSROOT`, the folder `/`, and on stdin nothing, or the leaves that `input` lists as one JSON
//! object. What it writes to stderr goes to the journal, as does stdout where that isn't a value. One whose mapping has
//! `output` may report on file descriptor 3.
//!
//! The agent runs programs as itself: `user` is for the privileged helper, except that `root` is refused where the
//! agent isn't root. The helper has them begin in its own second stage, which becomes the user first. When a program
//! ends, what is left of its process group is killed; a child that made a session of its own (`setsid`) escapes that,
//! unless the helper ends, whose whole control group goes.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::answer::{Answer, MAX_INPUT};
use super::context::Context;
use super::error::BackendError;
use super::reports::{self, Reports};
use crate::base;
use crate::base::heartbeat;
use crate::base::is_unseen;
use crate::base::lane::FILES;
use crate::mo::fill::fill_argv;
use crate::mo::given::Given;
use crate::mo::mapping::{Piece, Program, Template};
use crate::uri::Moid;
use crate::uri::ServerId;

/// The most bytes of a program's stdin.
pub(crate) const MAX_STDIN: usize = 64 << 10;
/// How long a program that is a source or a list may take.
pub(crate) const SOURCE_TIMEOUT: Duration = Duration::from_secs(10);

/// The exit code that says "not now" (EX_TEMPFAIL).
pub const NOT_NOW: i32 = 75;

/// The user that the agent is, and whose rights programs have unless their mapping says otherwise.
pub(crate) const AGENT_USER: &str = "omadm";

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// The time between TERM and KILL.
const GRACE: Duration = Duration::from_secs(3);
/// How long output is still read after the program ended: others may hold its end of the pipe.
const DRAIN: Duration = Duration::from_secs(1);
const MAX_LINES: usize = 100;
const MAX_LINE: usize = 1 << 10;

/// A program that was started. Dropping it kills the program's process group.
#[derive(Debug)]
pub struct Running {
    supervisor: JoinHandle<Exit>,
    group: Option<i32>,
    reports: Option<Reports>,
}

/// The exit of a program: how it ended, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// How it ended.
    pub end: End,
    /// The standard output where that was asked for, at most [`MAX_INPUT`] bytes; what a method answered.
    pub stdout: Vec<u8>,
    /// Whether there was more output, which was thrown away.
    pub truncated: bool,
    /// The last line that it wrote to the journal, or why it never began: for people.
    pub said: String,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The program ended by itself, with this exit code.
    Code(i32),
    /// The program ended by a signal that did not come from us.
    Signal(i32),
    /// The program was killed at its time limit.
    Timeout,
    /// The program could not be waited for.
    Lost,
    /// There was no program: only root may do this, and the agent is not.
    Unsupported,
    /// The privileged helper has not begun it, and will not: it may be tried again.
    NotBegun,
    /// The privileged helper could not begin it.
    Failed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::Timeout => f.write_str("killed at its time limit"),
            Self::Lost => f.write_str("lost sight of"),
            Self::Unsupported => f.write_str("not permitted"),
            Self::NotBegun => f.write_str("not begun"),
            Self::Failed => f.write_str("could not be begun"),
        }
    }
}

impl Exit {
    /// The exit of a program that said nothing.
    pub(super) fn of(end: End) -> Self {
        Self { end, stdout: Vec::new(), truncated: false, said: String::new() }
    }

    /// Whether the program ended well.
    #[must_use]
    pub fn success(&self) -> bool {
        self.end == End::Code(0)
    }

    /// The status code that `codes` has for this end (`exec = { codes = { 75 = 1503 } }`).
    #[must_use]
    pub fn mapped(&self, codes: &[(i32, u16)]) -> Option<u16> {
        let End::Code(code) = self.end else { return None };
        codes.iter().find(|(exit, _)| *exit == code).map(|(_, status)| *status)
    }
}

impl Running {
    /// Waits for the end of the program. May be given up and called again.
    pub async fn finish(&mut self) -> Exit {
        let lost = || Exit::of(End::Lost);
        // It ends by its own limit, which may be days.
        heartbeat::patiently(&mut self.supervisor).await.unwrap_or_else(|_| lost())
    }

    /// The id of the process group, which is that of its first process; none where it never began.
    #[must_use]
    pub fn group(&self) -> Option<i32> {
        self.group
    }

    /// The reports of the program while it runs; none where it may not report.
    #[must_use]
    pub fn reports(&self) -> Option<&Reports> {
        self.reports.as_ref()
    }

    /// Makes a running program of work that is none, and ends like one; perhaps with an answer.
    pub(super) fn of(work: impl Future<Output = (End, Vec<u8>)> + Send + 'static) -> Self {
        let exit = async {
            let (end, stdout) = work.await;
            Exit { stdout, ..Exit::of(end) }
        };
        Self::ending(exit, None)
    }

    /// Makes a running program that has ended already, so.
    pub(crate) fn ended(end: End) -> Self {
        Self::ending(async move { Exit::of(end) }, None)
    }

    /// Makes a running program of work that tells how a program ends which is somebody else's.
    pub(super) fn ending(
        work: impl Future<Output = Exit> + Send + 'static,
        reports: Option<Reports>,
    ) -> Self {
        Self { supervisor: base::spawn(work), group: None, reports }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// The use of a program's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stdout {
    Keep,
    Journal,
}

/// The use of all that a program says.
pub(super) struct Heard {
    pub(super) stdout: Stdout,
    /// The leaves that it may report; empty: there is no descriptor for that.
    pub(super) reports: Vec<String>,
}

impl Heard {
    /// Sends all output to the journal.
    pub(super) const NOTHING: Self = Self { stdout: Stdout::Journal, reports: Vec::new() };
    /// Keeps the standard output.
    const STDOUT: Self = Self { stdout: Stdout::Keep, reports: Vec::new() };
}

/// Starts a program that a mapping names in `set`, `add`, `delete` and `exec`.
pub(super) async fn start(
    program: &Program,
    value: Option<&str>,
    heard: Heard,
    context: &Context<'_>,
) -> Result<Running, BackendError> {
    let argv = fill_argv(&program.argv, &context.variables(value))?;
    if program.user == "root" && !geteuid().is_root() {
        return Err(BackendError::NeedsHelper(argv.into_iter().next().unwrap_or_default()));
    }
    spawn(&argv, &program.user, program.timeout, heard, context).await
}

/// Runs a program that is a source or a list; returns its standard output.
pub(super) async fn output(
    argv: &[Template],
    privileged: bool,
    context: &Context<'_>,
) -> Result<Answer<Vec<u8>>, BackendError> {
    let argv = fill_argv(argv, &context.variables(None))?;
    let user = if privileged { "root" } else { judge(context) };
    let exit = spawn(&argv, user, SOURCE_TIMEOUT, Heard::STDOUT, context).await?.finish().await;
    let program = argv.into_iter().next().unwrap_or_default();
    if exit.truncated {
        return Err(BackendError::TooLarge { what: program, limit: MAX_INPUT });
    }
    match check(program, SOURCE_TIMEOUT, &exit) {
        Ok(()) => Ok(Answer::Value(exit.stdout)),
        Err(later @ BackendError::NotNow(_)) => Ok(Answer::Unavailable(later.to_string())),
        Err(error) => Err(error),
    }
}

/// Runs a program that is asked something, and waits for its end.
pub(super) async fn ask(program: &Path, context: &Context<'_>) -> Result<Exit, BackendError> {
    let argv = [program.display().to_string()];
    let nothing = Context { given: &[], ..*context };
    Ok(spawn(&argv, judge(context), SOURCE_TIMEOUT, Heard::NOTHING, &nothing).await?.finish().await)
}

/// The user of a program that only says something: the agent, or where the helper is to believe it, nobody whom the
/// agent could trace.
fn judge<'c>(context: &Context<'c>) -> &'c str {
    context.machine.stage.as_ref().map_or(AGENT_USER, |stage| stage.judge)
}

/// Turns any end but a good one into an error.
pub(super) fn check(program: String, limit: Duration, exit: &Exit) -> Result<(), BackendError> {
    let reason = match exit.end {
        End::Code(0) => return Ok(()),
        End::Code(NOT_NOW) => return Err(BackendError::NotNow(program)),
        End::Code(code) => format!("exit code {code}"),
        End::Signal(signal) => format!("ended by signal {signal}"),
        End::Timeout => return Err(BackendError::Timeout { program, seconds: limit.as_secs() }),
        End::Lost => "could not be waited for".to_owned(),
        End::Unsupported => "not permitted".to_owned(),
        End::NotBegun | End::Failed => "could not be begun".to_owned(),
    };
    Err(BackendError::Program { program, reason })
}

/// The name of a program in errors.
pub(super) fn name(program: &Program) -> String {
    match program.argv.first().map(|template| template.0.as_slice()) {
        Some([Piece::Literal(path)]) => path.clone(),
        _ => "run".to_owned(),
    }
}

async fn spawn(
    argv: &[String],
    user: &str,
    limit: Duration,
    Heard { stdout, reports }: Heard,
    context: &Context<'_>,
) -> Result<Running, BackendError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(BackendError::Program { program: String::new(), reason: "`run` is empty".to_owned() });
    };
    let failed = |reason: String| BackendError::Program { program: program.clone(), reason };
    if !program.starts_with('/') {
        return Err(failed("`run` must begin with an absolute path".to_owned()));
    }
    let input = stdin(context)?;
    let request = &context.request;
    let sysroot =
        std::path::absolute(&context.machine.sysroot).ok().filter(|folder| *folder != Path::new("/"));
    let mut command = match &context.machine.stage {
        Some(stage) => {
            let mut command = Command::new(&stage.program);
            command.arg0(stage.name).args(["--as", user, "--", program]);
            command
        }
        None => Command::new(program),
    };
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("OMADM_SERVER_ID", request.server_id.map_or("", ServerId::as_str))
        .env("OMADM_CLIENT_URI", request.client_uri())
        .env("OMADM_MOID", request.moid.map_or("", Moid::as_str))
        .env("OMADM_MIID", request.miid)
        .envs(request.resumed.then_some(("OMADM_RESUMED", "1")))
        .envs(sysroot.map(|folder| ("OMADM_SYSROOT", folder)))
        .current_dir("/")
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let reports = (!reports.is_empty()).then(|| Reports::new(reports));
    let reporting = match &reports {
        Some(_) => Some(reporting(&mut command).map_err(|error| failed(error.to_string()))?),
        None => None,
    };
    let mut child = begin(program, command).await?.map_err(|error| failed(error.to_string()))?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let group = id.map(|id| Group(Pid::from_raw(id)));
    let label = program.rsplit('/').next().unwrap_or(program).to_owned();
    let journal = Journal { label, client_uri: request.client_uri().to_owned() };
    let heard = reports.clone();
    let supervisor = base::spawn(async move {
        let (stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut kept = CapturedOutput::default();
        // What a program says of a failure comes on its standard error, but that need not be so.
        let (mut of_out, mut of_err) = (String::new(), String::new());
        let end = {
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A program need not read what it is given.
                    let _ = stdin.write_all(&input).await;
                }
            };
            let out = async {
                match (out, stdout) {
                    (Some(out), Stdout::Keep) => kept.fill(out).await,
                    (Some(out), Stdout::Journal) => journal.lines(out, &mut of_out).await,
                    (None, _) => {}
                }
            };
            let err = async {
                if let Some(err) = err {
                    journal.lines(err, &mut of_err).await;
                }
            };
            let told = async {
                if let (Some(reports), Some(from)) = (heard, reporting) {
                    reports.read(from, &journal.label, &journal.client_uri).await;
                }
            };
            let pump = async { ((), (), (), ()) = tokio::join!(feed, out, err, told) };
            supervise(&mut child, group, limit, pump).await
        };
        let said = if of_err.is_empty() { of_out } else { of_err };
        Exit { end, stdout: kept.bytes, truncated: kept.truncated, said }
    });
    Ok(Running { supervisor, group: id, reports })
}

/// Gives a command the descriptor that it reports on; returns the end where reports arrive.
fn reporting(command: &mut Command) -> io::Result<pipe::Receiver> {
    let (writer, reader) = pipe::pipe()?;
    let (parent_fd, child_fd) = (writer.into_blocking_fd()?, reports::DESCRIPTOR);
    let mapped = command.as_std_mut().fd_mappings(vec![FdMapping { parent_fd, child_fd }]);
    mapped.map(|_| reader).map_err(io::Error::other)
}

/// Starts a program. Whoever does waits until it is loaded: where it lies on a file system that hangs, that is as long.
/// What is started too late is killed.
pub(crate) async fn begin(program: &str, mut command: Command) -> Result<io::Result<Child>, BackendError> {
    let runtime = Handle::current();
    let begun = FILES.at(program.into(), move |_| {
        let _within = runtime.enter();
        command.spawn()
    });
    begun.await.map_err(|stuck| BackendError::Stuck { path: program.into(), stuck })
}

/// The stdin of a program: the leaves that `input` lists, as one JSON object; empty if there are none.
fn stdin(context: &Context<'_>) -> Result<Vec<u8>, BackendError> {
    let json = Given::json(context.given);
    if json.len() > MAX_STDIN {
        return Err(BackendError::TooLarge { what: "`input`".to_owned(), limit: MAX_STDIN });
    }
    Ok(json)
}

/// A process group; killed when dropped.
#[derive(Debug)]
struct Group(Pid);

impl Group {
    fn signal(&self, signal: Signal) {
        // ESRCH: nobody is left, which is what a signal is for.
        let _ = killpg(self.0, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Moves bytes while the program runs, and a little longer.
async fn supervise(
    child: &mut Child,
    group: Option<Group>,
    limit: Duration,
    pump: impl Future<Output = ()>,
) -> End {
    tokio::pin!(pump);
    let mut pumped = false;
    let end = {
        let ending = ending(child, group.as_ref(), limit);
        tokio::pin!(ending);
        loop {
            tokio::select! {
                end = &mut ending => break end,
                () = &mut pump, if !pumped => pumped = true,
            }
        }
    };
    drop(group);
    if !pumped {
        let _ = timeout(DRAIN, pump).await;
    }
    end
}

async fn ending(child: &mut Child, group: Option<&Group>, limit: Duration) -> End {
    if let Ok(status) = timeout(limit, child.wait()).await {
        return status.map_or(End::Lost, End::from);
    }
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        if let Some(group) = group {
            group.signal(signal);
        }
        // Bounded even after KILL: a process that hangs in the kernel is left to it.
        if timeout(GRACE, child.wait()).await.is_ok() {
            break;
        }
    }
    End::Timeout
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Lost,
        }
    }
}

#[derive(Default)]
struct CapturedOutput {
    bytes: Vec<u8>,
    truncated: bool,
}

impl CapturedOutput {
    /// Keeps output that fits, and reads on, so that the program isn't stopped by a full pipe.
    async fn fill(&mut self, mut from: impl AsyncRead + Unpin) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let room = MAX_INPUT - self.bytes.len();
            let read = buffer.get(..count).unwrap_or_default();
            self.bytes.extend_from_slice(read.get(..room).unwrap_or(read));
            self.truncated |= count > room;
        }
    }
}

/// The most characters that are kept of the last line.
const MAX_SAID: usize = 240;

struct Journal {
    label: String,
    client_uri: String,
}

impl Journal {
    /// Logs each line of output, bounded in length and number, and keeps the last one, shortened.
    async fn lines(&self, mut from: impl AsyncRead + Unpin, last: &mut String) {
        let (mut buffer, mut line, mut count) = ([0; 4096], Vec::new(), 0_usize);
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            for byte in buffer.get(..read).unwrap_or_default() {
                if *byte == b'\n' || line.len() == MAX_LINE {
                    self.line(&line, &mut count, last);
                    line.clear();
                }
                if *byte != b'\n' {
                    line.push(*byte);
                }
            }
        }
        self.line(&line, &mut count, last);
        if let Some(more @ 1..) = count.checked_sub(MAX_LINES) {
            log::info!(OMADM_CLIENT_URI = self.client_uri.as_str(); "{}: {more} more lines", self.label);
        }
    }

    fn line(&self, line: &[u8], count: &mut usize, last: &mut String) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        *count += 1;
        // A terminal that shows the journal must not obey a script's output.
        let plain = text.replace(|c| is_unseen(c) && c != '\t', "\u{FFFD}");
        *last = plain.chars().take(MAX_SAID).collect();
        if *count <= MAX_LINES {
            log::info!(OMADM_CLIENT_URI = self.client_uri.as_str(); "{}: {plain}", self.label);
        }
    }
}
