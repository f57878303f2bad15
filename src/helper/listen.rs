//! `omadm-exec --listen`: what systemd's socket and template do, where there is no systemd.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::NAME;
use super::rules::Rules;

/// The most requests that are served at one time; others wait.
const MOST: usize = 16;
/// The time until the next try where a connection can't be taken or served.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest time that a request is served, beyond all limits of mappings.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The most processes that a user may come to.
const PROCESSES: u64 = 1024;
/// The largest file that a program may write, in bytes.
const LARGEST_FILE: u64 = 2 << 30;

/// Makes the socket, for the agent's user alone, and serves each request in a process of its own.
///
/// # Errors
/// The socket can't be made.
pub(super) fn listen(socket: &Path) -> io::Result<()> {
    super::speak();
    let rules = Rules::of_program()?;
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // What a request starts inherits them.
    setrlimit(Resource::RLIMIT_NPROC, PROCESSES, PROCESSES)?;
    setrlimit(Resource::RLIMIT_FSIZE, LARGEST_FILE, LARGEST_FILE)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Nobody connects before it is the agent's.
        let before = umask(Mode::from_bits_truncate(0o777));
        let listener = UnixListener::bind(socket);
        umask(before);
        let listener = listener?;
        chown(socket, Some(rules.agent.0), Some(rules.agent.1))?;
        fs::set_permissions(socket, Permissions::from_mode(0o600))?;
        log::info!("listening on {}", socket.display());
        take(&listener).await
    })
}

/// Takes connections, each of which somebody else serves.
async fn take(listener: &UnixListener) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(MOST));
    loop {
        let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
        let begun = match listener.accept().await {
            Ok((stream, _)) => Served::begin(stream),
            Err(error) => Err(error),
        };
        match begun {
            Ok(served) => drop(tokio::spawn(async move {
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
    group: Option<PathBuf>,
}

impl Served {
    fn begin(stream: UnixStream) -> io::Result<Self> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        let child = Command::new("/proc/self/exe")
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(stream)))
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = child.id().and_then(control_group);
        Ok(Self { child, group })
    }

    /// Waits for its end, and ends what it has left running.
    async fn end(mut self) {
        if timeout(LONGEST, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
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

/// Puts a process into a control group of its own; none where the kernel or its owner does not let us.
fn control_group(process: u32) -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = Path::new("/sys/fs/cgroup").join(own).join(format!("{NAME}-{process}"));
    fs::create_dir(&group).ok()?;
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
