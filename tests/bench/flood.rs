//! Bad datagrams, many a second, and a good one now and then.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::signal::Signal;
use omadm_agent::lab::notifier::Notification;

use crate::support::{Agent, Bench, SECRET, SERVER_ID};
use crate::{Processor, Table, block_on, median, mib, millis};

const PER_SECOND: u32 = 100_000;
const SECONDS: u32 = 10;
/// A good notification that hasn't started its session by then was lost on its way.
const PATIENCE: Duration = Duration::from_millis(1000);

pub(crate) fn flood(table: &mut Table) {
    block_on(async {
        let bench = Bench::new().await;
        let agent = bench.start().await;
        let quiet: Vec<_> = latencies(&bench, 20).await.into_iter().flatten().collect();
        table.note("notification to Package#1, quiet: median", millis(median(quiet)));

        let (before, cpu) = (agent.resident(), running(&agent));
        let (bad, udp) = (bad_datagrams(), bench.udp);
        let flooding = std::thread::spawn(move || send_all(&bad, udp));
        let mut good = Vec::new();
        let mut most = 0;
        while !flooding.is_finished() {
            good.extend(latencies(&bench, 1).await);
            most = most.max(agent.resident());
        }
        let sent = flooding.join().unwrap();
        let share = (running(&agent) - cpu).as_secs_f64() / f64::from(SECONDS);
        let grown = most.max(agent.resident()).saturating_sub(before) as u64;
        table.note("flood: bad datagrams sent", format!("{:.0} /s", f64::from(sent) / f64::from(SECONDS)));
        let (status, log) = ended(agent).await;
        assert!(status.success(), "{log}");
        let judged = dropped(&log) as f64 / f64::from(sent);
        table.note("  of them read and judged", format!("{:.1} %", 100.0 * judged));
        table.note("  of one processor", format!("{:.0} %", 100.0 * share));
        table.row("  memory grown by", mib(grown), "flat", Some(grown <= 1 << 18));
        let lost = good.iter().filter(|latency| latency.is_none()).count();
        table.note("  good ones lost before the agent saw them", format!("{lost} of {}", good.len()));
        let good: Vec<_> = good.into_iter().flatten().collect();
        let worst = good.iter().max().copied().unwrap_or(PATIENCE);
        table.note("  good ones to Package#1: median", millis(median(good)));
        table.row("  the slowest", millis(worst), "≤ 100 ms", Some(worst.as_millis() <= 100));
    });
}

/// How long good notifications take until their Package#1 is there; none: it never came.
async fn latencies(bench: &Bench, count: usize) -> Vec<Option<Duration>> {
    let mut latencies = Vec::new();
    for _ in 0..count {
        let before = bench.tape.exchanges().len();
        let sent = SystemTime::now();
        bench.notify().await;
        let came = bench.tape.until(PATIENCE, |tape| tape.exchanges().len() > before).await;
        let at = came.then(|| bench.tape.exchanges()[before].request.at);
        latencies.push(at.map(|at| at.duration_since(sent).unwrap_or_default()));
        // The session ends meanwhile.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    latencies
}

/// Nothing of a push, a push that is cut short, one for somebody else, and one with a wrong digest.
fn bad_datagrams() -> Vec<Vec<u8>> {
    let datagram =
        |server: &str, secret: &str| Notification::new(server, secret.as_bytes(), 1).datagram().unwrap();
    let cut = datagram(SERVER_ID, SECRET)[..20].to_vec();
    vec![vec![0x5a; 60], cut, datagram("somebody-else", SECRET), datagram(SERVER_ID, "another secret")]
}

/// Sends them evenly; how many it were.
#[expect(clippy::disallowed_methods, reason = "a thread of its own")]
fn send_all(datagrams: &[Vec<u8>], to: SocketAddr) -> u32 {
    const EACH: Duration = Duration::from_millis(1);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.connect(to).unwrap();
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(SECONDS.into()) {
        let due = f64::from(PER_SECOND) * begun.elapsed().as_secs_f64();
        while f64::from(sent) < due {
            let datagram = &datagrams[sent as usize % datagrams.len()];
            sent += u32::from(socket.send(datagram).is_ok());
        }
        std::thread::sleep(EACH);
    }
    sent
}

async fn ended(agent: Agent) -> (std::process::ExitStatus, String) {
    agent.signal(Signal::SIGTERM);
    agent.output().await
}

/// How many datagrams the agent says it dropped.
fn dropped(log: &str) -> u64 {
    let lines = log.lines().filter_map(|line| line.split_once(" datagrams dropped"));
    lines.filter_map(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Processor time of its main thread, which reads the datagrams.
fn running(agent: &Agent) -> Duration {
    Processor::of(&agent.pid().to_string()).unwrap_or_default().running
}
