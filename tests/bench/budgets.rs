//! Measures the agent against its budgets and prints a table. Nothing is asserted: a time on a busy machine
//! proves nothing.
//!
//! `make bench` runs all of it; `cargo bench --all-features --bench budgets -- NAME…` runs what has one of the names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench fails by panicking, and prints"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "the tests use all of it, this a part")]
mod support;

mod busy;
mod decode;
mod flood;
mod large;
mod many;
mod process;
mod scale;
mod session;
mod tree;

use std::time::{Duration, Instant};

/// Measures something, and adds what it found.
type Bench = fn(&mut Table);

/// What is measured, in this order.
const BENCHES: [(&str, Bench); 14] = [
    ("size", process::size),
    ("start", process::start),
    ("idle", process::idle),
    ("ships", process::all_that_ships),
    ("package0", decode::package0),
    ("xml", decode::hostile_xml),
    ("core", tree::session_core),
    ("read", tree::stored_instance),
    ("scale", scale::grows_with_the_work),
    ("busy", busy::much_at_once),
    ("many", many::much_of_everything),
    ("session", session::against_curl),
    ("large", large::instance),
    ("flood", flood::flood),
];

fn main() {
    // cargo passes `--bench`; whoever calls this passes names.
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let mut table = Table::default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = load.split(' ').next().unwrap_or_default();
    table.note("load of this machine · processors", format!("{load} · {processors}"));
    for (name, bench) in BENCHES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            bench(&mut table);
        }
    }
}

/// Prints each line as soon as it is known.
#[derive(Default)]
struct Table {
    begun: bool,
}

impl Table {
    /// A line: what was measured, what was found, what the budget is; and whether it was kept.
    fn row(&mut self, what: &str, found: impl std::fmt::Display, budget: &str, kept: Option<bool>) {
        if !std::mem::replace(&mut self.begun, true) {
            println!("{:54} {:>26}  {:26}", "what", "measured", "budget");
        }
        let verdict = match kept {
            Some(true) => "kept",
            Some(false) => "MISSED",
            None => "",
        };
        println!("{what:54} {:>26}  {budget:26} {verdict}", found.to_string());
    }

    /// A line without a budget.
    fn note(&mut self, what: &str, found: impl std::fmt::Display) {
        self.row(what, found, "", None);
    }
}

/// How often `work` can be done in a second that a processor gives to it: the best of several passes.
fn rate(mut work: impl FnMut()) -> f64 {
    const PASS: Duration = Duration::from_millis(400);
    let mut best: f64 = 0.0;
    for _ in 0..7 {
        let (start, given) = (Instant::now(), Processor::of("thread-self"));
        let mut count = 0_u32;
        while start.elapsed() < PASS {
            for _ in 0..16 {
                work();
            }
            count += 16;
        }
        let taken = match (given, Processor::of("thread-self")) {
            (Some(before), Some(after)) => after.running - before.running,
            _ => start.elapsed(),
        };
        best = best.max(f64::from(count) / taken.as_secs_f64());
    }
    best
}

/// What a thread has had of a processor: others use the machine too.
#[derive(Clone, Copy, Default)]
struct Processor {
    running: Duration,
    /// It could have run, and the kernel let others.
    waiting: Duration,
}

impl Processor {
    /// The main thread of a process, or `thread-self`; none where the kernel does not say.
    fn of(process: &str) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
        let mut times = text.split(' ').map(|nanos| nanos.parse().map(Duration::from_nanos));
        Some(Self { running: times.next()?.ok()?, waiting: times.next()?.ok()? })
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Runs a bench's future on one thread, as the agent does.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
