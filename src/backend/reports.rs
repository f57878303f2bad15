//! Reports of a program while it runs: on file descriptor 3, one JSON object a line.
//!
//! Of each leaf only the latest value is kept until somebody takes it, so a program that reports without end fills
//! nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value as Json};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::Notify;

/// The file descriptor that a program reports on.
pub(super) const DESCRIPTOR: i32 = 3;
/// The longest line, in bytes.
const MAX_LINE: usize = 64 << 10;
/// The most lines of one program's reports.
const MAX_LINES: usize = 10_000;
/// The most lines of the journal about what is wrong with one program's reports.
const MAX_WARNINGS: usize = 10;

/// The reports of a running program that nobody has taken yet.
#[derive(Clone, Debug)]
pub struct Reports(Arc<ReportState>);

#[derive(Debug)]
struct ReportState {
    /// The leaves that it may report.
    keys: Vec<String>,
    latest: Mutex<BTreeMap<String, Json>>,
    news: Notify,
}

impl Reports {
    /// Makes reports of a program that has reported nothing yet; `keys` are the leaves that it may report.
    #[must_use]
    pub fn new(keys: Vec<String>) -> Self {
        Self(Arc::new(ReportState { keys, latest: Mutex::default(), news: Notify::new() }))
    }

    /// Waits until there are reports to take.
    pub async fn changed(&self) {
        while self.latest().is_empty() {
            self.0.news.notified().await;
        }
    }

    /// Takes the last value reported of each leaf.
    #[must_use]
    pub fn take(&self) -> BTreeMap<String, Json> {
        std::mem::take(&mut *self.latest())
    }

    /// Takes in what was reported elsewhere, and checked there to be of leaves that may be.
    pub fn put(&self, output: Map<String, Json>) {
        let known = output.into_iter().filter(|(key, _)| self.0.keys.contains(key));
        self.latest().extend(known);
        self.0.news.notify_one();
    }

    fn latest(&self) -> MutexGuard<'_, BTreeMap<String, Json>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the reports of the program called `label`, to their end.
    pub async fn read(&self, mut from: impl AsyncRead + Unpin, label: &str, client_uri: &str) {
        let mut warnings = 0;
        let mut warn = |what: &str| {
            warnings += 1;
            if warnings <= MAX_WARNINGS {
                log::warn!(OMADM_CLIENT_URI = client_uri; "{label}: a report is passed over: {what}");
            }
        };
        let (mut buffer, mut line, mut count) = ([0; 4096], Vec::new(), 0);
        let mut is_too_long = false;
        loop {
            let read = from.read(&mut buffer).await.unwrap_or_default();
            let bytes = buffer.get(..read).unwrap_or_default();
            // A last line may lack its end.
            let bytes = if read == 0 { b"\n" } else { bytes };
            for byte in bytes {
                match byte {
                    b'\n' if is_too_long => warn("it is longer than 64 KiB"),
                    b'\n' if line.iter().all(u8::is_ascii_whitespace) => {}
                    b'\n' if count == MAX_LINES => {
                        count += 1;
                        warn("there were too many before it; so are all that follow");
                    }
                    b'\n' if count < MAX_LINES => {
                        count += 1;
                        self.take_in(&line, &mut warn);
                    }
                    b'\n' => {}
                    _ if line.len() == MAX_LINE => is_too_long = true,
                    _ => line.push(*byte),
                }
                if *byte == b'\n' {
                    line.clear();
                    is_too_long = false;
                }
            }
            if read == 0 {
                return;
            }
        }
    }

    fn take_in(&self, line: &[u8], warn: &mut impl FnMut(&str)) {
        let Ok(members) = serde_json::from_slice::<Map<String, Json>>(line) else {
            return warn("it is no JSON object");
        };
        for (key, value) in members {
            if self.0.keys.contains(&key) {
                self.latest().insert(key, value);
            } else {
                warn("it names what `output` does not list");
            }
        }
        self.0.news.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    async fn reported(text: &str) -> Json {
        let reports = Reports::new(vec!["State".to_owned(), "../Note".to_owned()]);
        reports.read(text.as_bytes(), "x", "urn:m/1/Do").await;
        json!(reports.take())
    }

    #[tokio::test]
    async fn the_latest_of_each_leaf_counts() {
        let text = "{\"State\": 30}\n\n{\"State\": 40, \"../Note\": \"n\"}\n{\"State\": 50}";
        assert_eq!(reported(text).await, json!({"State": 50, "../Note": "n"}));
    }

    #[tokio::test]
    async fn what_is_no_report_is_passed_over_and_what_follows_is_not() {
        let long = format!("{{\"State\": \"{}\"}}", "x".repeat(MAX_LINE));
        for wrong in ["[1]", "{", "{\"Secret\": 1}", "\u{0}", &long, "30"] {
            assert_eq!(reported(&format!("{wrong}\n")).await, json!({}), "{wrong:.20}");
            assert_eq!(reported(&format!("{wrong}\n{{\"State\": 1}}\n")).await, json!({"State": 1}));
        }
    }

    #[tokio::test]
    async fn there_is_a_most_of_lines() {
        let text: String = (0..=MAX_LINES).map(|number| format!("{{\"State\": {number}}}\n")).collect();
        assert_eq!(reported(&text).await, json!({"State": MAX_LINES - 1}));
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_what_comes() {
        let reports = Reports::new(vec!["State".to_owned()]);
        let reader = reports.clone();
        let (read, ()) = tokio::join!(
            async {
                reports.changed().await;
                reports.take()
            },
            async move {
                reader.read(&b"{\"State\": 1}\n"[..], "x", "u").await;
            }
        );
        assert_eq!(json!(read), json!({"State": 1}));
    }
}
