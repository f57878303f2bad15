//! A bench for the real `omadmd`: files in a folder of its own, a DM server, a data repository, UDP.
//!
//! Every wait has a deadline, and ends early with the agent's log when the agent has died.

pub(crate) mod bus;
pub(crate) mod checked;
pub(crate) mod ddf;
pub(crate) mod figure;
pub(crate) mod fuse;
pub(crate) mod helper;
pub(crate) mod links;
pub(crate) mod local;
pub(crate) mod much;
pub(crate) mod named;
pub(crate) mod network;
pub(crate) mod page;
pub(crate) mod published;
pub(crate) mod shipped;
pub(crate) mod tools;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use omadm_agent::lab::gateway::{Account, Gateway};
use omadm_agent::lab::notifier::{self, Notification};
use omadm_agent::lab::tape::{Exchange, Received};
use omadm_agent::lab::{Authority, Options, Reply, Repository, Request, Script, Server, Tape, files};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long anything may take that should happen at once.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// The account's server id.
pub(crate) const SERVER_ID: &str = "bench";
/// The notification secret.
pub(crate) const SECRET: &str = "a secret of the bench";
/// DevInfo.
pub(crate) const DEVINFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";
/// SessionInfo.
pub(crate) const SESSIONINFO: &str = "urn:oma:mo:oma-sessioninfomo:1.0";
/// DMAcc.
pub(crate) const DMACC: &str = "urn:oma:mo:oma-dm-dmacc:2.0";
/// The bench's own object.
pub(crate) const BENCH: &str = "urn:x-omadm:mo:bench:1.0";

/// Everything that a test plays with.
pub(crate) struct Bench {
    /// The CA that the account trusts.
    pub(crate) authority: Authority,
    /// All exchanges of both servers.
    pub(crate) tape: Tape,
    /// The DM server.
    pub(crate) server: Server,
    script: Arc<Mutex<Script>>,
    /// The documents of the data repository.
    pub(crate) repository: Repository,
    /// The data repository's server.
    pub(crate) repository_server: Server,
    /// The agent's files.
    pub(crate) gateway: Gateway,
    /// Where the agent listens.
    pub(crate) udp: SocketAddr,
    _folder: TempDir,
}

/// Changes the account before it is written.
pub(crate) type ChangeAccount = Box<dyn FnOnce(&mut Account, &Authority)>;
/// Changes the DM server before it starts.
pub(crate) type ChangeServer = Box<dyn FnOnce(Options, &Authority) -> Options>;

/// What a test wants different.
pub(crate) struct Setup {
    /// Further configuration, after `[paths]`.
    pub(crate) config: String,
    /// Changes to the account.
    pub(crate) account: ChangeAccount,
    /// Changes to the DM server.
    pub(crate) server: ChangeServer,
}

impl Default for Setup {
    fn default() -> Self {
        Self { config: String::new(), account: Box::new(|_, _| {}), server: Box::new(|options, _| options) }
    }
}

impl Bench {
    /// A bench that is set up as usual.
    pub(crate) async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    /// A bench with one session of these packages. See [`Bench::play`].
    pub(crate) async fn playing(packages: Value) -> Self {
        let bench = Self::new().await;
        bench.play(packages);
        bench
    }

    /// A bench that is set up otherwise.
    pub(crate) async fn with(setup: Setup) -> Self {
        let folder = tempfile::Builder::new().prefix("omadm-test-").tempdir().unwrap();
        let authority = Authority::new("omadm test CA").unwrap();
        let tape = Tape::default();
        let repository = Repository::default();
        let options = Options::new("repository", authority.server().unwrap(), &tape);
        let repository_server = Server::start(options, repository.handler()).await.unwrap();
        let options = Options::new("dm", authority.server().unwrap(), &tape);
        let script = Arc::new(Mutex::new(Script::default()));
        let player = Arc::clone(&script);
        let answer = move |request: &Request| player.lock().unwrap().answer(request);
        let server = Server::start((setup.server)(options, &authority), answer).await.unwrap();

        let udp = own_address();
        let gateway = Gateway::new(folder.path()).unwrap();
        gateway.configure(udp, &setup.config).unwrap();
        put_bench_object(&gateway);
        let mut account = Account {
            origins: vec![repository_server.origin()],
            secret: Some(SECRET.to_owned()),
            ..Account::new(SERVER_ID, &format!("{}/dm?id=[DevID]", server.origin()), &authority)
        };
        (setup.account)(&mut account, &authority);
        gateway.put_account(&account).unwrap();
        Self { authority, tape, server, script, repository, repository_server, gateway, udp, _folder: folder }
    }

    /// Adds an origin to those of the account. Before the agent starts.
    pub(crate) fn list_origin(&self, origin: &str) {
        let file = self.gateway.path("accounts").join(format!("{SERVER_ID}.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let text = text.replace("origins = [", &format!("origins = [\"{origin}\", "));
        files::put(&file, text, files::PLAIN).unwrap();
    }

    /// One more session: an array of packages, each an array of commands; END comes by itself.
    /// `{repository}` stands for the data repository's origin.
    pub(crate) fn play(&self, packages: Value) {
        self.answer(Script::parse(&packages.to_string(), &self.repository_server.origin()).unwrap());
    }

    /// One more session: the answers to its requests; END comes by itself.
    pub(crate) fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        self.script.lock().unwrap().push(replies);
    }

    /// Starts `omadmd` and waits until it says that it is ready.
    pub(crate) async fn start(&self) -> Agent {
        let mut agent = self.spawn().await;
        agent.ready().await;
        agent
    }

    /// Starts `omadmd`.
    pub(crate) async fn spawn(&self) -> Agent {
        Agent::spawn(&self.gateway, &["--config", self.gateway.config().to_str().unwrap()]).await
    }

    /// A notification with an id of its own.
    pub(crate) fn notification(&self) -> Notification {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        Notification::new(SERVER_ID, SECRET.as_bytes(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a good notification.
    pub(crate) async fn notify(&self) {
        self.send(&self.notification()).await;
    }

    /// Sends a notification.
    pub(crate) async fn send(&self, notification: &Notification) {
        notification.send(self.udp).await.unwrap();
    }

    /// Sends any bytes to the agent's UDP port.
    pub(crate) async fn send_raw(&self, datagram: &[u8]) {
        notifier::send(self.udp, datagram).await.unwrap();
    }

    /// Waits until the DM server's exchanges satisfy `enough`.
    pub(crate) async fn until(&self, agent: &Agent, what: &str, mut enough: impl FnMut(&[Exchange]) -> bool) {
        let dm = |tape: &Tape| {
            let all = tape.exchanges().into_iter();
            all.filter(|exchange| exchange.request.server == "dm").collect::<Vec<_>>()
        };
        if !self.tape.until(LIMIT, |tape| enough(&dm(tape))).await {
            let seen: Vec<String> = dm(&self.tape).iter().map(summary).collect();
            panic!(
                "{what}: not within {LIMIT:?}\nexchanges:\n{}\nrefused: {:?}\nagent:\n{}",
                seen.join("\n"),
                self.tape.refused(),
                agent.log()
            );
        }
    }

    /// Waits until `count` sessions got their END, and the agent has heard so.
    pub(crate) async fn ended(&self, agent: &Agent, count: usize) {
        self.answered_end(agent, count).await;
        agent.heard_the_end().await;
    }

    /// Waits until the server has answered END to `count` sessions.
    pub(crate) async fn answered_end(&self, agent: &Agent, count: usize) {
        let ends = |exchanges: &[Exchange]| {
            exchanges.iter().filter(|exchange| exchange.reply.ends_session()).count() >= count
        };
        self.until(agent, &format!("{count} sessions to their end"), ends).await;
    }

    /// Notifies, and waits for the END of session number `count`.
    pub(crate) async fn session(&self, agent: &Agent, count: usize) {
        self.notify().await;
        self.ended(agent, count).await;
    }

    /// The packages that the DM server got, in order, repeated ones included.
    pub(crate) fn packages(&self) -> Vec<Received> {
        let requests = self.tape.requests("dm");
        requests.iter().map(|request| request.package().unwrap()).collect()
    }

    /// The statuses of every Package#3.
    pub(crate) fn statuses(&self) -> Vec<Vec<u64>> {
        let responses = self.packages().into_iter().filter(|package| !package.initiation);
        responses.map(|package| package.statuses()).collect()
    }

    /// Lets the script of the bench's Late node end with this exit code.
    pub(crate) async fn release(&self, code: u8) {
        let pipe = self.gateway.path("pipe");
        // Opening blocks until the script reads.
        let write = move || files::put(&pipe, format!("{code}\n"), files::SECRET);
        timeout(LIMIT, tokio::task::spawn_blocking(write)).await.unwrap().unwrap().unwrap();
    }

    /// How often the bench's Count node was executed.
    pub(crate) fn counted(&self) -> usize {
        std::fs::read_to_string(self.gateway.path("counted")).map_or(0, |text| text.matches("run\n").count())
    }
}

/// Waits until the file is there.
pub(crate) async fn appears(file: &std::path::Path) {
    let wait = async {
        while !file.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{} does not appear", file.display()));
}

/// An address of this machine that no other bench uses, with the port of WAP push.
fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from((Ipv4Addr::new(127, high | 0x80, low, number), 2948))
}

fn summary(exchange: &Exchange) -> String {
    let package = exchange.request.package().map(|package| package.json.to_string()).unwrap_or_default();
    let reply = String::from_utf8_lossy(&exchange.reply.body);
    format!(
        "  {} {} {package}\n    → {} {:?} {reply}",
        exchange.request.method,
        exchange.request.target(),
        exchange.reply.status,
        exchange.reply.fault
    )
}

/// The running `omadmd`.
pub(crate) struct Agent {
    child: Child,
    pid: Pid,
    folder: String,
    /// What it told the service manager, one assignment a line.
    said: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    /// Changes when it says or logs something.
    changed: watch::Receiver<()>,
}

/// A file system of its own at a folder, which only the agents that are started there see.
pub(crate) struct SmallDisk {
    keeper: Child,
    folder: std::path::PathBuf,
}

impl SmallDisk {
    /// An empty one of `size` (as `mount` takes it) at `folder`.
    pub(crate) async fn new(folder: &std::path::Path, size: &str) -> Self {
        let script = "mount -t tmpfs -o size=\"$2\" small \"$1\" && echo there && exec sleep 1000";
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
            .arg(folder)
            .arg(size);
        let mut keeper =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let there = BufReader::new(keeper.stdout.take().unwrap()).lines().next_line().await.unwrap();
        assert_eq!(there.as_deref(), Some("there"), "the kernel gives nobody a namespace");
        Self { keeper, folder: folder.to_path_buf() }
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--user", "--mount", "--target", &self.keeper.id().unwrap().to_string(), "--"]);
        command
    }

    /// Starts `omadmd` there.
    pub(crate) async fn spawn(&self, gateway: &Gateway) -> Agent {
        let mut command = self.enter();
        command.args([env!("CARGO_BIN_EXE_omadmd"), "--config"]).arg(gateway.config()).stdin(Stdio::null());
        Agent::run(gateway, command).await
    }

    /// Mounts it with another option.
    pub(crate) async fn remount(&self, option: &str) {
        let folder = self.folder.to_str().unwrap();
        self.run(&["mount", "-o", &format!("remount,{option}"), folder]).await;
    }

    /// Runs a program there, which must go well.
    pub(crate) async fn run(&self, argv: &[&str]) {
        assert!(self.enter().args(argv).status().await.unwrap().success(), "{argv:?}");
    }

    /// A file of it, as the test gets at it.
    pub(crate) fn inside(&self, name: &str) -> std::path::PathBuf {
        let root = std::path::PathBuf::from(format!("/proc/{}/root", self.keeper.id().unwrap()));
        root.join(self.folder.strip_prefix("/").unwrap()).join(name)
    }
}

impl Agent {
    /// Starts `omadmd` with these arguments, in a process group of its own and with a bare environment.
    pub(crate) async fn spawn(gateway: &Gateway, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_omadmd"));
        command.args(arguments).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` so that [`Agent::fail_writes`] is an error to it, and not its end.
    pub(crate) async fn spawn_whose_disk_may_fail(gateway: &Gateway) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" --config \"$1\"", env!("CARGO_BIN_EXE_omadmd")]);
        command.arg(gateway.config()).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Has every write to a file fail, as on a disk that takes nothing; or no more. What it has started already writes
    /// on.
    pub(crate) async fn fail_writes(&self, fail: bool) {
        let limit = if fail { "--fsize=0:unlimited" } else { "--fsize=unlimited:unlimited" };
        let status = Command::new("prlimit").args(["--pid", &self.pid().to_string(), limit]).status().await;
        assert!(status.unwrap().success());
    }

    /// Starts `omadmd` with a socket as systemd passes it, as file descriptor 3.
    pub(crate) async fn spawn_with_socket(gateway: &Gateway, socket: std::net::UdpSocket) -> Self {
        let mut command = Command::new("/bin/sh");
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --config \"$1\"";
        command.args(["-c", script, env!("CARGO_BIN_EXE_omadmd")]).arg(gateway.config());
        command.stdin(Stdio::from(OwnedFd::from(socket)));
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` with a file system of `size` (as `mount` takes it) of its own at `folder`, a copy of what is
    /// there. Where the kernel gives nobody a namespace it ends at once, and says so.
    pub(crate) async fn spawn_on_small_disk(gateway: &Gateway, folder: &std::path::Path, size: &str) -> Self {
        let script = "mount -t tmpfs -o size=\"$3\" small /mnt && cp -a \"$2\"/. /mnt && mount --move /mnt \"$2\" && exec \"$0\" --config \"$1\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command.args(["sh", "-c", script, env!("CARGO_BIN_EXE_omadmd")]);
        command.arg(gateway.config()).arg(folder).arg(size).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` with an empty file system of `size` at `folder`, on which it can't begin; and again once that
    /// has 20 MiB.
    pub(crate) async fn spawn_on_disk_that_was_full(
        gateway: &Gateway,
        folder: &std::path::Path,
        size: &str,
    ) -> Self {
        let script = "mount -t tmpfs -o size=\"$3\" small \"$2\" && ! timeout 20 \"$0\" --config \"$1\" && \
            mount -o remount,size=20m \"$2\" && exec \"$0\" --config \"$1\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command.args(["sh", "-c", script, env!("CARGO_BIN_EXE_omadmd")]);
        command.arg(gateway.config()).arg(folder).arg(size).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` on a system whose only root certificates are those of `file`.
    pub(crate) async fn spawn_with_system_roots(gateway: &Gateway, file: &std::path::Path) -> Self {
        let mut command = Command::new("env");
        command.arg(format!("SSL_CERT_FILE={}", file.display())).arg(env!("CARGO_BIN_EXE_omadmd"));
        command.arg("--config").arg(gateway.config()).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` with these variables in its environment.
    pub(crate) async fn spawn_with(gateway: &Gateway, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new("env");
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
        command.arg(env!("CARGO_BIN_EXE_omadmd")).arg("--config").arg(gateway.config()).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` where whoever looks into `folder` waits for ever: a file system whose daemon does not answer.
    /// Where the kernel gives nobody a namespace it ends at once, and says so.
    pub(crate) async fn spawn_with_hung_folder(gateway: &Gateway, folder: &std::path::Path) -> Self {
        // As long as somebody has the device open, the kernel waits for an answer.
        let script = "exec 9<>/dev/fuse && mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 hung \"$2\" && exec \"$0\" --config \"$1\"";
        std::fs::create_dir_all(folder).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command.args(["sh", "-c", script, env!("CARGO_BIN_EXE_omadmd")]);
        command.arg(gateway.config()).arg(folder).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` on a machine that has been suspended for so many seconds since its boot: in a namespace whose
    /// clocks differ by that. Where the kernel gives nobody a namespace it ends at once, and says so.
    pub(crate) async fn spawn_after_suspension(gateway: &Gateway, seconds: u32) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--time", "--boottime", &seconds.to_string()]);
        command.args([env!("CARGO_BIN_EXE_omadmd"), "--config"]).arg(gateway.config()).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    /// Starts `omadmd` in a network namespace that `ip netns` made.
    pub(crate) async fn spawn_in_network(gateway: &Gateway, namespace: &str) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_omadmd"), "--config"]);
        command.arg(gateway.config()).stdin(Stdio::null());
        Self::run(gateway, command).await
    }

    async fn run(gateway: &Gateway, mut command: Command) -> Self {
        let path = gateway.path("notify");
        let _ = std::fs::remove_file(&path);
        let notify = UnixDatagram::bind(&path).unwrap();
        let mut child = command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("NOTIFY_SOCKET", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap());
        let [said, log] = [(); 2].map(|()| Arc::new(Mutex::new(String::new())));
        let (sender, changed) = watch::channel(());
        let sender = Arc::new(sender);
        collect(child.stdout.take().unwrap(), Arc::clone(&log), Arc::clone(&sender));
        collect(child.stderr.take().unwrap(), Arc::clone(&log), Arc::clone(&sender));
        // As systemd does, always: the agent would wait where this queue of datagrams is full.
        let heard = Arc::clone(&said);
        let weak = Arc::downgrade(&sender);
        tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok(length) = notify.recv(&mut buffer).await {
                add(&heard, &String::from_utf8_lossy(&buffer[..length]));
                let Some(sender) = weak.upgrade() else { return };
                sender.send_replace(());
            }
        });
        let folder = gateway.path("").display().to_string();
        Self { child, pid, folder, said, log, changed }
    }

    /// Waits for `READY=1`.
    pub(crate) async fn ready(&mut self) {
        self.said("READY=1").await;
    }

    /// Waits until the agent tells the service manager `word`.
    pub(crate) async fn said(&mut self, word: &str) {
        let said = Arc::clone(&self.said);
        self.line(&said, 1, &format!("{word} for the service manager"), |line| line == word).await;
    }

    /// How often it has told the service manager `word` so far.
    pub(crate) fn times_said(&self, word: &str) -> usize {
        self.said.lock().unwrap().lines().filter(|line| *line == word).count()
    }

    /// Waits until it has told the service manager `word` so often.
    pub(crate) async fn said_times(&mut self, word: &str, times: usize) {
        let wait = async {
            while self.times_said(word) < times {
                self.changed.changed().await.unwrap();
            }
        };
        let waited = timeout(LIMIT, wait).await;
        assert!(waited.is_ok(), "{word} {times} times: not within {LIMIT:?}:\n{}", self.log());
    }

    /// Waits a little for it to have heard that the sessions have ended that it holds: one that it is stopped in is
    /// held again.
    async fn heard_the_end(&self) {
        let times = |what: &str| self.log().matches(what).count();
        let begun = times(" begins (");
        let heard = async {
            while times(" ended well") + times(" failed: ") + times(" is broken off") < begun {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(Duration::from_secs(2), heard).await;
    }

    /// What it has written so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of its log that satisfies `wanted`.
    pub(crate) async fn logged(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.logged_times(1, what, wanted).await
    }

    /// Waits until so many lines of its log satisfy `wanted`, and gives the last of them.
    pub(crate) async fn logged_times(
        &mut self,
        times: usize,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let log = Arc::clone(&self.log);
        self.line(&log, times, &format!("a log line {what}"), wanted).await
    }

    async fn line(
        &mut self,
        text: &Mutex<String>,
        times: usize,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let wait = async {
            loop {
                let mut lines = times;
                let is_last = |line: &&str| {
                    lines -= usize::from(wanted(line));
                    lines == 0
                };
                let found = text.lock().unwrap().lines().find(is_last).map(str::to_owned);
                if let Some(line) = found {
                    return line;
                }
                tokio::select! {
                    _ = self.changed.changed() => {}
                    ended = self.child.wait() => panic!("{what}: omadmd ended first ({ended:?}):\n{}", self.log()),
                }
            }
        };
        timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}:\n{}", self.log()))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// How long the timers have yet that it waits by and that count the time of a suspended machine (CLOCK_BOOTTIME,
    /// 7), as the kernel says.
    pub(crate) fn timers(&self) -> Vec<Duration> {
        let folder = std::fs::read_dir(format!("/proc/{}/fdinfo", self.pid)).unwrap();
        let infos = folder.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let boottime = infos.filter(|info| info.lines().any(|line| line.trim() == "clockid: 7"));
        let left = |info: String| {
            let value = info.lines().find_map(|line| line.strip_prefix("it_value: ("))?;
            let (seconds, nanos) = value.strip_suffix(')')?.split_once(", ")?;
            Some(Duration::new(seconds.parse().ok()?, nanos.parse().ok()?))
        };
        boottime.map(|info| left(info).unwrap()).filter(|left| !left.is_zero()).collect()
    }

    /// Waits until no timer of its runs.
    pub(crate) async fn at_rest(&self) {
        let rest = async {
            while !self.timers().is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let rested = tokio::time::timeout(LIMIT, rest).await;
        rested.unwrap_or_else(|_| panic!("{:?}\n{}", self.timers(), self.log()));
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count()
    }

    /// How many bytes of memory it occupies (RSS).
    pub(crate) fn resident(&self) -> usize {
        self.memory("VmRSS:")
    }

    /// The most it ever was.
    pub(crate) fn peak(&self) -> usize {
        self.memory("VmHWM:")
    }

    /// What it has of its own, in bytes: none of its program.
    pub(crate) fn anonymous(&self) -> usize {
        self.memory("RssAnon:")
    }

    fn memory(&self, what: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let Ok(status) = timeout(LIMIT, self.child.wait()).await else {
            panic!("omadmd did not end within {LIMIT:?}:\n{}", self.log())
        };
        status.unwrap()
    }

    /// Waits for the end of a run that ends by itself; its status, and all it wrote.
    pub(crate) async fn output(mut self) -> (ExitStatus, String) {
        let status = self.exit().await;
        (status, self.whole_log().await)
    }

    /// All it wrote: the pipes close when the process has gone.
    async fn whole_log(&mut self) -> String {
        let closed = async { while self.changed.changed().await.is_ok() {} };
        timeout(LIMIT, closed).await.unwrap();
        self.log()
    }

    /// Ends it as systemd does: it must exit with 0 and leave no process behind. All it wrote.
    pub(crate) async fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let status = self.exit().await;
        assert!(status.success(), "omadmd ended with {status}:\n{}", self.log());
        // What was killed is gone when the kernel has come to it.
        let killed = Instant::now();
        let mut left = processes(&self.folder);
        while !left.is_empty() && killed.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            left = processes(&self.folder);
        }
        assert!(left.is_empty(), "omadmd left {left:?} behind:\n{}", self.log());
        let log = self.whole_log().await;
        assert!(!log.contains("panicked"), "{log}");
        log
    }

    /// Ends it as a power cut does.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.exit().await;
    }
}

fn collect(
    stream: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    log: Arc<Mutex<String>>,
    changed: Arc<watch::Sender<()>>,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            add(&log, &line);
            changed.send_replace(());
        }
    });
}

fn add(text: &Mutex<String>, line: &str) {
    let mut text = text.lock().unwrap();
    text.push_str(line);
    text.push('\n');
}

/// The command lines of all processes in which `text` occurs.
fn processes(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(text)).collect()
}

/// The bench's object: leaves that the store keeps, and scripts that can be counted.
fn put_bench_object(gateway: &Gateway) {
    let leaf =
        |name: &str, format: &str, access: &str| ddf::permanent(&ddf::node(name, format, access, "One", ""));
    let interior =
        |name: &str, children: &str| ddf::permanent(&ddf::node(name, "node", "Get Replace", "One", children));
    let operations =
        ["After", "Count", "Fail", "Late", "Slow"].map(|name| leaf(name, "null", "Exec")).concat();
    let leaves = [
        leaf("Name", "chr", "Get Replace"),
        leaf("Number", "int", "Get Replace"),
        leaf("Fixed", "chr", "Get"),
        interior("Operations", &operations),
    ];
    let root = interior("Bench", &leaves.concat());
    let mapping = "instances = [\"1\"]\n\
         [node.Fixed]\nget = [{ value = \"fixed\" }]\n\
         [node.\"Operations/Count\"]\nexec = { run = [\"@folder@/count\", \"@folder@/counted\"] }\n\
         [node.\"Operations/After\"]\nexec = { run = [\"@folder@/after\", \"@folder@/counted\"], after-session = true }\n\
         [node.\"Operations/Late\"]\nexec = { run = [\"@folder@/late\", \"@folder@/pipe\"] }\n\
         [node.\"Operations/Fail\"]\nexec = { run = [\"@folder@/fail\"], codes = { 75 = 1503 } }\n\
         [node.\"Operations/Slow\"]\nexec = { run = [\"@folder@/slow\", \"@folder@/slowed\"], timeout = \"90s\" }\n";
    nix::unistd::mkfifo(&gateway.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    ddf::put(gateway, BENCH, "Bench", &root, mapping);
    let program = |name: &str, text: &str| files::put(&gateway.path(name), text, files::PROGRAM).unwrap();
    program("count", "#!/bin/sh\necho run >>\"$1\"\n");
    program("after", "#!/bin/sh\necho after >>\"$1\"\n");
    program("browser", "#!/bin/sh\necho \"$1\" >\"$0.part\"\nmv \"$0.part\" \"$0.shown\"\n");
    program("late", "#!/bin/sh\nread -r line <\"$1\"\nexit \"$line\"\n");
    program("slow", "#!/bin/sh\necho started >\"$1\"\nread -r forever <\"${1%slowed}pipe\"\n");
    program("fail", "#!/bin/sh\nexit 75\n");
}

/// A Package#2 with these commands.
pub(crate) fn commands(commands: Value) -> Reply {
    Reply::commands(&commands)
}

/// END.
pub(crate) fn end() -> Reply {
    commands(json!([["END"]]))
}
