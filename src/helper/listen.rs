//! `omadm-exec --listen`: what systemd's socket and template do, where there is no systemd.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, close, setsid};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::NAME;
use super::lock::Lock;
use super::object::check_program;
use super::results;
use super::rules::Rules;
use crate::base::{self, files};

/// The most requests that are served at one time; others wait.
const MOST: usize = 16;
/// The time until the next try where a connection can't be taken or served.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest time that a request is served, beyond all limits of mappings.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The most processes that a user may come to, and a request.
const PROCESSES: u64 = 1024;
const PROCESSES_OF_ONE: &str = "256";
/// The largest file that a program may write, in bytes.
const LARGEST_FILE: u64 = 2 << 30;

/// Makes the socket, for the agent's user alone, and serves each request in a process of its own.
///
/// # Errors
/// The socket can't be made, or the program is not root's alone.
pub(super) fn listen(socket: &Path) -> io::Result<()> {
    let_go_of_what_was_inherited();
    super::speak();
    let rules = Rules::of_program()?;
    // Of another file after an upgrade: what is called so then is begun. `/proc/self/exe` would be what this is.
    let program = fs::read_link("/proc/self/exe")?;
    check_program(&program.to_string_lossy(), &rules).map_err(|failure| io::Error::other(failure.why))?;
    results::folder(&rules)?;
    let_only_a_socket_be_replaced(socket)?;
    // Until it listens: of two that are started at once, one would remove what the other has made.
    let turn = turn(socket)?;
    remove_stale(socket)?;
    // What a request starts inherits them.
    let memory = memory();
    setrlimit(Resource::RLIMIT_NPROC, PROCESSES, PROCESSES)?;
    setrlimit(Resource::RLIMIT_FSIZE, LARGEST_FILE, LARGEST_FILE)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    if let Some(memory) = memory {
        setrlimit(Resource::RLIMIT_DATA, memory, memory)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Nobody connects before it is the agent's.
        umask(Mode::from_bits_truncate(0o777));
        let listener = UnixListener::bind(socket);
        umask(Mode::from_bits_truncate(0o022));
        let listener = listener?;
        chown(socket, Some(rules.agent.0), Some(rules.agent.1))?;
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        drop(turn);
        log::info!("listening on {}", socket.display());
        take(&listener, &Serving { program, rules, memory }).await
    })
}

/// The turn to make the socket, which one listener has at a time.
fn turn(socket: &Path) -> io::Result<Lock> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    Lock::try_take(Path::new(&path))?.ok_or_else(|| in_use(socket))
}

/// Refuses a path at which something is that no listener has left: it is not removed for a slip of the pen.
fn let_only_a_socket_be_replaced(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let why = format!(
                "{} is no socket: it is left as it is; remove it, or have the helper listen elsewhere",
                path.display()
            );
            Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
        }
        _ => Ok(()),
    }
}

/// Removes the socket that an earlier listener has left. One that somebody listens at stays theirs.
fn remove_stale(socket: &Path) -> io::Result<()> {
    // Of another type, so that whoever listens gets no connection by it.
    let asked = UnixDatagram::unbound()?.connect(socket);
    if asked.is_err_and(|error| error.raw_os_error() == Some(nix::Error::EPROTOTYPE as i32)) {
        return Err(in_use(socket));
    }
    files::remove(socket)
}

fn in_use(socket: &Path) -> io::Error {
    let why = format!("somebody listens at {} already: end that first", socket.display());
    io::Error::new(io::ErrorKind::AddrInUse, why)
}

/// What serves requests.
struct Serving {
    program: PathBuf,
    rules: Rules,
    /// The most memory of a request, in bytes.
    memory: Option<u64>,
}

/// Leaves the session of whoever started this, and closes what it had open: programs would have it as well.
fn let_go_of_what_was_inherited() {
    // It fails for one that leads a session already.
    let _ = setsid();
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = open.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // One of them was the folder's own.
        let _ = close(descriptor);
    }
}

/// The most memory of a request: 40 per cent, as of `omadm-exec@.service`.
fn memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total: u64 = total.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(total * 1024 / 100 * 40)
}

/// Takes connections, each of which somebody else serves.
async fn take(listener: &UnixListener, serving: &Serving) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let begun = match listener.accept().await {
            Ok((stream, _)) => Served::begin(stream, serving),
            Err(error) => Err(error),
        };
        match begun {
            Ok(served) => drop(base::spawn(async move {
                served.end().await;
                drop(place);
            })),
            Err(error) => {
                log::warn!("a request is not served: {error}");
                sleep(PAUSE).await;
            }
        }
    }
}

/// A process that serves a request, and the control group of all that it starts, where there may be one.
struct Served {
    child: tokio::process::Child,
    session: Option<i32>,
    group: Option<PathBuf>,
}

impl Served {
    fn begin(stream: UnixStream, serving: &Serving) -> io::Result<Self> {
        let program = &serving.program;
        check_program(&program.to_string_lossy(), &serving.rules)
            .map_err(|failure| io::Error::other(failure.why))?;
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        let child = Command::new(program)
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(stream)))
            .kill_on_drop(true)
            .spawn()?;
        let session = child.id().and_then(|id| i32::try_from(id).ok());
        let group = child.id().and_then(|id| control_group(id, serving.memory));
        Ok(Self { child, session, group })
    }

    /// Waits for its end, and ends what it has left running.
    async fn end(mut self) {
        if timeout(LONGEST, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        // Its programs have process groups of their own, and are in its session.
        if let Some(session) = self.session {
            for process in of_session(session) {
                let _ = kill(process, Signal::SIGKILL);
            }
        }
        let Some(group) = self.group else { return };
        let _ = tell(&group.join("cgroup.kill"), "1");
        // They go, and then it can.
        for _ in 0..50 {
            if fs::remove_dir(&group).is_ok() {
                return;
            }
            sleep(PAUSE).await;
        }
        log::warn!("{} has processes that can't be killed", group.display());
    }
}

/// The processes of a session.
fn of_session(session: i32) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_of_it = |process: &i32| {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name, in parentheses, may have anything in it. After it: state, parent, group, session.
        let after = stat.rsplit_once(')').map(|(_, after)| after).unwrap_or_default();
        after.split_whitespace().nth(3) == Some(session.to_string().as_str())
    };
    processes.filter(is_of_it).map(Pid::from_raw).collect()
}

/// Puts a process into a control group of its own, with limits; none where the kernel or its owner does not let us.
fn control_group(process: u32, memory: Option<u64>) -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = Path::new("/sys/fs/cgroup").join(own);
    let group = own.join(format!("{NAME}-{process}"));
    fs::create_dir(&group).ok()?;
    // A group that has processes itself, and is not the first, can't have limits below: then those of processes count.
    let _ = tell(&own.join("cgroup.subtree_control"), "+memory +pids");
    let _ = tell(&group.join("pids.max"), PROCESSES_OF_ONE);
    if let Some(memory) = memory {
        let _ = tell(&group.join("memory.max"), &memory.to_string());
    }
    if tell(&group.join("cgroup.procs"), &process.to_string()).is_err() {
        let _ = fs::remove_dir(&group);
        return None;
    }
    Some(group)
}

/// Writes to an attribute of the kernel's.
fn tell(attribute: &Path, text: &str) -> io::Result<()> {
    File::options().write(true).open(attribute)?.write_all(text.as_bytes())
}
