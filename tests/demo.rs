//! `omadm-lab demo`, the first thing a newcomer runs.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(60);

fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_omadm-lab"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_shows_the_session_and_ends_by_itself() {
    let output = timeout(LIMIT, lab(&["demo", "--once"]).output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    for wanted in [
        "Package#0",
        "REQ-MOS",
        "\"MOS\": [",
        "1  200  GET urn:oma:mo:oma-dm-devinfo:1.2//DevID",
        "\"SessionInfoMO\": {",
        "PUT /devices/",
        "1  200  EXEC urn:x-omadm:mo:demo:1.0//Operations/Diagnose",
        "asked by lab",
        "Managed by omadm-lab",
        "1  501  FROBNICATE",
        "1  END",
        "every answer was as it should be",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    let hostname = nix::sys::utsname::uname().unwrap();
    assert!(text.contains(&*hostname.release().to_string_lossy()), "this machine's kernel\n{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(!text.contains('\x1b'), "no colours into a pipe");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains("failed") && !told.contains("broken off"), "the session has ended: {told}");
    assert!(!text.contains("password"), "{text}");
    let folder = text.lines().find_map(|line| line.trim().strip_prefix("its files ")).unwrap().trim();
    assert!(!std::path::Path::new(folder).exists(), "{folder} is left");
}

#[tokio::test]
async fn it_takes_further_notifications_until_interrupted() {
    let mut child = lab(&["demo"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut notify = None;
    let mut sessions = 0;
    let play = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("1  END") {
                sessions += 1;
            }
            if let Some(arguments) = line.trim().strip_prefix("omadm-lab ") {
                let words: Vec<&str> = arguments.split(' ').collect();
                assert!(lab(&words).status().await.unwrap().success(), "{line}");
                notify = Some(());
            }
            if sessions == 2 {
                return;
            }
        }
    };
    timeout(LIMIT, play).await.unwrap();
    assert!(notify.is_some() && sessions == 2);
    kill(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()), Signal::SIGINT).unwrap();
    assert!(timeout(LIMIT, child.wait()).await.unwrap().unwrap().success());
}

#[tokio::test]
async fn a_bad_script_is_said_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.json");
    for (content, wanted) in [(None, "No such file"), (Some("[[\"GET\"]]"), "commands"), (Some("{"), "EOF")] {
        if let Some(content) = content {
            omadm_agent::lab::files::put(&script, content, 0o600).unwrap();
        }
        let output = lab(&["demo", "--once", "--script", script.to_str().unwrap()]).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains("script.json") && text.contains(wanted), "{text}");
    }
}
