//! A network of a test's own, in which it may have any address and any interface.

use std::future::Future;
use std::panic::Location;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Set for the process that is within.
const WITHIN: &str = "OMADM_TEST_NETWORK";

/// Runs `body`, which is all of the test `test` of the file that calls this, in namespaces of its own: user, network
/// and mounts. The test runs its program once more within, for that test alone. Only `lo` is there, and up.
///
/// # Panics
/// `body` does, or the kernel gives no namespaces: what needs them has then not been shown.
#[track_caller]
pub(crate) fn of_its_own(test: &str, body: impl Future<Output = ()>) -> impl Future<Output = ()> {
    let file = Path::new(Location::caller().file());
    let module = file.file_stem().and_then(std::ffi::OsStr::to_str).unwrap();
    within(format!("{module}::{test}"), body)
}

async fn within(test: String, body: impl Future<Output = ()>) {
    if std::env::var_os(WITHIN).is_some() {
        run("ip link set lo up").await;
        return body.await;
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", &test])
        .env(WITHIN, "yes")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap_or_else(|error| panic!("unshare, which makes namespaces, cannot be run: {error}"));
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "in a network of its own: {}\n{out}{err}", output.status);
    assert!(out.contains("1 passed"), "{test} is no test:\n{out}");
}

/// Runs a line of shell, which must succeed.
pub(crate) async fn run(line: &str) {
    let status = Command::new("sh").args(["-ec", line]).status().await.unwrap();
    assert!(status.success(), "{line}: {status}");
}
