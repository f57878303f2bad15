//! Supervision of what an EXEC has started, to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, watch};
use tokio::time::{sleep, timeout};

use super::slots::Hold;
use super::{ExecRecord, Finished};
use crate::backend::{End, Reports, Running};
use crate::base::stopped;
use crate::config::Account;
use crate::store::{Change, Store};
use crate::tree::{Invocation, Principal, Said, SessionFacts, Tree};

/// The least time between two commits of what a program reports: flash wears.
const PAUSE: Duration = Duration::from_secs(1);

/// How long the agent may be stopped after its helper was, when the machine goes down.
const UNTIL_STOP: Duration = Duration::from_secs(10);

/// The hold on the node that is being executed, and its slot among the programs that run.
pub(super) type Held = (Hold, OwnedSemaphorePermit);

/// The supervision of one EXEC.
pub(super) struct Supervision {
    pub(super) number: u64,
    pub(super) record: ExecRecord,
    pub(super) invocation: Invocation,
    pub(super) tree: Arc<Tree>,
    pub(super) store: Arc<Store>,
    pub(super) account: Arc<Account>,
    pub(super) session: SessionFacts,
    /// Turns true when the agent ends.
    pub(super) stopping: Option<watch::Receiver<bool>>,
    /// Whether the end is on disk: from then on nobody writes the record as of an EXEC that runs.
    pub(super) is_over: Arc<Mutex<bool>>,
}

impl Supervision {
    /// Waits for the end of the EXEC. What it reports until then is kept at once; the last of that and its result are
    /// on disk, together with its end, when this returns. What is held is let go by whoever reports it.
    pub(super) async fn run(mut self, mut running: Running, held: Held) -> (Finished, Held) {
        let reports = running.reports().cloned();
        let mut reported = BTreeMap::new();
        let mut take = |result| {
            let said = said(reports.as_ref(), result);
            reported.extend(said.reported.clone());
            said
        };
        let exit = loop {
            let more = async {
                match &reports {
                    Some(reports) => reports.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                exit = running.finish() => break exit,
                () = more => {}
            }
            self.keep(take(None), Vec::new()).await;
            tokio::select! {
                exit = running.finish() => break exit,
                () = sleep(PAUSE) => {}
            }
        };
        if is_for_the_next_start(&self.record, exit.end, self.stopping.as_mut()).await {
            log::info!(
                OMADM_CLIENT_URI = self.record.client_uri.as_str();
                "{}: {} as the machine or the agent stops: the next start tells what became of it",
                self.record.client_uri, exit.end
            );
            std::future::pending::<()>().await;
        }
        let code = self.invocation.status(&exit);
        let number = if let End::Code(number) = exit.end { Some(number) } else { None };
        let client_uri = self.record.client_uri.clone();
        // Where the command was answered already, the alert is what the server sees.
        let in_alert = self.record.alert.as_ref().map(|alert| alert.number(number, code));
        let in_alert = in_alert.filter(|in_alert| *in_alert != code);
        let in_alert = in_alert.map_or_else(String::new, |number| format!(", {number} in its alert"));
        let server_id = self.record.server_id.clone();
        let ended = self.invocation.end(exit.end);
        let say = |end: End| {
            let level = if end == End::Code(0) { log::Level::Info } else { log::Level::Warn };
            log::log!(
                level, OMADM_SERVER_ID = server_id.as_str(), OMADM_CLIENT_URI = client_uri.as_str(),
                OMADM_STATUS = code;
                "{client_uri}: {ended}: {code}{in_alert}"
            );
        };
        let colon = if exit.said.is_empty() { "" } else { ": " };
        let why = match exit.end {
            End::Code(0) => String::new(),
            _ => format!("{ended}{colon}{}", exit.said),
        };
        if exit.end == End::NotBegun {
            say(exit.end);
            return (Finished { why, ..self.record.finished(self.number, code) }, held);
        }
        (self.record.code, self.record.exit) = (Some(code), number);
        if self.invocation.keeps_what_it_says() {
            if exit.truncated {
                log::warn!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: its result is passed over: it is longer than 1 MiB");
            }
            let result =
                Some(exit.stdout).filter(|output| number.is_some() && !exit.truncated && !output.is_empty());
            let said = take(result);
            if let Some(target) = self.invocation.target(&reported)
                && let Some(alert) = &mut self.record.alert
            {
                alert.target = Some(target);
            }
            let end = Change::Exec(self.number, self.record.to_json());
            let is_over = Arc::clone(&self.is_over);
            let mut is_over = is_over.lock().await;
            *is_over = true;
            self.keep(said, vec![end]).await;
        }
        // Whoever reads that it has ended may look at once for what it has left.
        say(exit.end);
        (Finished { why, ..self.record.finished(self.number, code) }, held)
    }

    async fn keep(&self, said: Said, changes: Vec<Change>) {
        if said.reported.is_empty() && said.result.is_none() && changes.is_empty() {
            return;
        }
        let principal = Principal { account: &self.account, session: self.session };
        let kept = self.tree.keep_said(&self.invocation, said, &principal, changes.clone()).await;
        let Err(error) = kept else { return };
        let client_uri = &self.record.client_uri;
        log::error!(
            OMADM_CLIENT_URI = client_uri.as_str();
            "{client_uri}: what its program said could not be stored, and is lost: {error}"
        );
        // Its end is told in any case.
        if let Err(error) = self.store.commit(changes).await {
            log::error!(OMADM_CLIENT_URI = client_uri.as_str(); "{client_uri}: its end could not be stored: {error}");
        }
    }
}

/// Whether what ended is not over for good: a machine that goes down stops the agent and its helper together, and each
/// may be the first. What becomes of the EXEC is its [`Fate`](super::Fate) at the next start.
async fn is_for_the_next_start(
    record: &ExecRecord,
    end: End,
    stopping: Option<&mut watch::Receiver<bool>>,
) -> bool {
    let is_cut_short = matches!(end, End::Lost | End::Signal(_) | End::Timeout);
    let Some(stopping) = stopping.filter(|_| is_cut_short && record.request.is_some()) else { return false };
    if record.resume || record.after_session {
        return timeout(UNTIL_STOP, stopped(stopping)).await.is_ok();
    }
    *stopping.borrow()
}

fn said(reports: Option<&Reports>, result: Option<Vec<u8>>) -> Said {
    Said { reported: reports.map(Reports::take).unwrap_or_default(), result }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> ExecRecord {
        let json = format!(r#"{{"server_id":"a","client_uri":"u","alert_type":"t","starts":1{json}}}"#);
        ExecRecord::from_json(json.as_bytes()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_reboot_cuts_short_is_told_by_the_next_start() {
        let plain = record(r#","request":"r""#);
        let resume = record(r#","request":"r","resume":true"#);
        let own = record(r#","resume":true"#);
        let (tell, mut stopping) = watch::channel(false);
        for end in [End::Lost, End::Signal(15), End::Timeout] {
            assert!(!is_for_the_next_start(&resume, end, Some(&mut stopping)).await, "nobody stops");
        }
        // The helper is hit first.
        let mut early = stopping.clone();
        let waiting = is_for_the_next_start(&resume, End::Lost, Some(&mut early));
        let (is_for_it, ()) = tokio::join!(waiting, async {
            sleep(Duration::from_secs(2)).await;
            tell.send_replace(true);
        });
        assert!(is_for_it);
        assert!(is_for_the_next_start(&plain, End::Lost, Some(&mut stopping)).await);
        assert!(!is_for_the_next_start(&plain, End::Code(0), Some(&mut stopping)).await, "it is over");
        assert!(!is_for_the_next_start(&plain, End::NotBegun, Some(&mut stopping)).await);
        assert!(!is_for_the_next_start(&own, End::Signal(9), Some(&mut stopping)).await, "no helper has it");
    }
}
