//! The start and the end of `omadmd`: its threads, and where arguments, signals, passed sockets and randomness come
//! from.

use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::sys::signal::Signal::{SIGHUP, SIGINT, SIGTERM};
use nix::sys::stat::{Mode, umask};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::agent_state::Surroundings;
use crate::base::crash_guard;
use crate::base::journal;
use crate::base::lane::{MainThread, MainThreadJob};
use crate::base::stopping;
use crate::base::{Random, heap};
use crate::cli::Omadmd;
use crate::config::Environment;
use crate::daemon::{self, Checked, DaemonError, Options, Signal};
use crate::notification::listener;
use crate::store::reader;
use crate::transport::Proxies;

/// How long a thread that wrote to the store waits for more to write; then its stack is given back.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// The stack of the agent's thread, as large as a process's first thread has: what is not used takes no memory.
const STACK: usize = 8 << 20;

/// The operating system's random numbers.
#[derive(Clone, Copy, Debug)]
pub struct OsRandom;

impl Random for OsRandom {
    fn next(&mut self) -> u64 {
        // A kernel without randomness has no TLS either: what is drawn here only spreads load.
        getrandom::u64().unwrap_or_default()
    }

    fn fork(&mut self) -> Box<dyn Random> {
        Box::new(*self)
    }
}

/// Runs `omadmd`: checks a configuration, or runs the agent; or reads a damaged store for it.
#[must_use]
pub fn omadmd() -> ExitCode {
    // For another one of us, whom a damaged store would end.
    if let Some(job) = reader::asked(std::env::args_os()) {
        return reader::answer(&job);
    }
    reader::this_program_answers();
    let arguments = match Omadmd::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(stop) => return stop.answer("omadmd"),
    };
    if arguments.check { check(&arguments) } else { serve(&arguments) }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the answer to a person's question")]
fn check(arguments: &Omadmd) -> ExitCode {
    let Checked { problems, warnings } = daemon::check(&arguments.selection(), &Environment::current());
    for warning in &warnings {
        println!("warning: {warning}");
    }
    if problems.is_empty() {
        println!("the configuration is sound");
        return ExitCode::SUCCESS;
    }
    eprintln!("{problems}");
    ExitCode::FAILURE
}

/// Runs the agent. The first thread opens the store and hears signals from then on. The agent has a thread of its own:
/// the kernel brings a signal to the first, and one that hangs in a disk would keep it from all others.
fn serve(arguments: &Omadmd) -> ExitCode {
    let kept_small = heap::keep_small();
    // Nothing the agent makes is for others' eyes.
    umask(Mode::from_bits_truncate(0o077));
    journal::install(c"omadmd", journal::level_asked_for());
    if let Err(error) = kept_small {
        log::warn!(
            "the agent can't start itself anew with a small heap ({error}): it keeps the memory that large work takes"
        );
    }
    let result = std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel(4);
        let (end, ended) = oneshot::channel();
        let (main_thread, job) = MainThread::new();
        let agent = move || {
            // Who hears signals ends with it.
            drop(end.send(agent(arguments, main_thread, receiver)));
        };
        let thread = std::thread::Builder::new().name("agent".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, agent).map_err(DaemonError::Runtime)?;
        let (runtime, signals) = signals().map_err(DaemonError::Runtime)?;
        do_main_thread_job(job).map_err(DaemonError::Runtime)?;
        runtime.block_on(async {
            tokio::select! {
                ended = ended => ended.unwrap_or(Ok(())),
                () = forward(signals, sender) => Ok(()),
            }
        })
    });
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let DaemonError::Configuration(problems) = &error {
                for problem in problems {
                    log::error!("{problem}");
                }
            }
            log::error!("{error}: the agent does not start");
            ExitCode::FAILURE
        }
    };
    log::logger().flush();
    code
}

fn agent(
    arguments: &Omadmd,
    main_thread: MainThread,
    signals: mpsc::Receiver<Signal>,
) -> Result<(), DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .thread_keep_alive(IDLE_THREAD)
        .build()
        .map_err(DaemonError::Runtime)?;
    let result = runtime.block_on(run(arguments, main_thread, signals));
    // Dropped, it would wait for what hangs on its threads.
    runtime.shutdown_timeout(stopping::FOR_COMMIT);
    result
}

async fn run(
    arguments: &Omadmd,
    main_thread: MainThread,
    signals: mpsc::Receiver<Signal>,
) -> Result<(), DaemonError> {
    let options = Options {
        selection: arguments.selection(),
        environment: Environment::current(),
        surroundings: Surroundings { proxies: Proxies::from_environment(), ..Surroundings::default() },
        main_thread,
    };
    let sockets: Vec<UdpSocket> = listener::passed().map_err(DaemonError::Listen)?;
    daemon::run(options, sockets, signals, Box::new(OsRandom)).await
}

/// Opens the store, which may hang: meanwhile signals are kept from this thread, and another one sees to it that the
/// process ends when it is told to. What else they say is heard afterwards.
fn do_main_thread_job(job: MainThreadJob) -> std::io::Result<()> {
    let (runtime, signals) = signals()?;
    let (done, is_done) = oneshot::channel::<()>();
    let guard = async {
        let ends = async {
            signals.end().await;
            tokio::time::sleep(stopping::FOR_PROCESS).await;
            end_now();
        };
        tokio::select! {
            _ = is_done => {}
            () = ends => {}
        }
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("signals".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, move || runtime.block_on(guard))?;
        let kept: SigSet = [SIGTERM, SIGINT, SIGHUP].into_iter().collect();
        kept.thread_block()?;
        job.do_it();
        drop(done);
        Ok(kept.thread_unblock()?)
    })
}

/// The signals of the operator and the service manager.
struct Signals {
    terminate: UnixSignal,
    interrupt: UnixSignal,
    hangup: UnixSignal,
}

impl Signals {
    /// Waits for the signal that ends the agent.
    async fn end(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn signals() -> std::io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _within = runtime.enter();
        let [terminate, interrupt, hangup] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        Signals { terminate: terminate?, interrupt: interrupt?, hangup: hangup? }
    };
    Ok((runtime, signals))
}

/// Forwards signals to the agent: SIGTERM and SIGINT end it, SIGHUP reloads it. Who hears them tells an agent that
/// hangs to end as well, and ends it where it does not.
async fn forward(mut signals: Signals, agent: mpsc::Sender<Signal>) {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            // Where there is no room, it is to reload already.
            _ = signals.hangup.recv() => drop(agent.try_send(Signal::Reload)),
        }
    }
    let end = tokio::time::Instant::now() + stopping::FOR_PROCESS;
    // The agent's own thread may be what hangs: this end is none of its deaths all the same.
    crash_guard::close();
    let _ = tokio::time::timeout_at(end, agent.send(Signal::Stop)).await;
    tokio::time::sleep_until(end).await;
    end_now();
}

/// Ends the process where its own end hangs: a disk that does not answer, a thread that never comes back. What was
/// acknowledged is on disk, as after a power cut.
#[expect(clippy::exit, clippy::disallowed_methods, reason = "nothing that is left could be waited for")]
fn end_now() {
    log::warn!("a task does not end in time: the agent ends without waiting for it");
    log::logger().flush();
    std::process::exit(0);
}
