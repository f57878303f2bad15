//! `omadm-exec --listen`: who may ask, how many at a time, and what becomes of them where a listener ends.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::support::LIMIT;
use crate::support::helper::{AGENT, Listening, exec, last, level, put, signal};

/// Whether a user who connects, and sends nothing, is let in.
fn may_connect(socket: &Path, user: u32) -> bool {
    let connect = "use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); \
         connect($s, pack_sockaddr_un($ARGV[0])) or exit 1;";
    let mut command = Command::new("perl");
    command.args(["-e", connect]).arg(socket).uid(user).gid(user);
    command.status().unwrap().success()
}

#[tokio::test]
async fn a_program_begins_with_nothing_that_was_inherited_and_only_the_agent_may_ask() {
    let script = "umask >mask; ls /proc/self/fd >open; sed -n 's/^SigIgn:.*\\(.....\\)$/\\1/p' /proc/self/status >ignored; \
                  cut -d' ' -f6 /proc/self/stat >session; echo done >done";
    let listening = Listening::begin(script).await;
    assert!(may_connect(&listening.socket(), AGENT));
    assert!(!may_connect(&listening.socket(), 65534));
    assert_eq!(listening.ask("get-1", level()).await.unwrap().value, Some(json!("7")));
    assert_eq!(listening.ask("exec-1", exec()).await.unwrap().code, Some(200));
    assert_eq!(listening.said("mask"), "0022\n");
    // The last is the folder's own.
    assert_eq!(listening.said("open"), "0\n1\n2\n3\n");
    // SIGPIPE, 13, is not among them.
    let ignored = u32::from_str_radix(listening.said("ignored").trim(), 16).unwrap();
    assert_eq!(ignored & 1 << 12, 0, "{ignored:x}");
    let own = std::fs::read_to_string("/proc/self/stat").unwrap();
    assert_ne!(listening.said("session").trim(), own.split(' ').nth(5).unwrap());
}

#[tokio::test]
async fn the_seventeenth_waits_for_those_who_say_nothing_and_is_served() {
    let listening = Listening::begin("true").await;
    let mut hung = Vec::new();
    for _ in 0..16 {
        hung.push(UnixStream::connect(listening.socket()).await.unwrap());
    }
    let begun = Instant::now();
    let reply = listening.ask("get-1", level()).await.unwrap();
    assert_eq!(reply.value, Some(json!("7")));
    let took = begun.elapsed();
    assert!((3..20).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn of_sixty_at_once_all_are_served_and_never_more_than_sixteen_at_a_time() {
    let count = "n=$(ls -d running/* 2>/dev/null | wc -l); [ $n -le 16 ] || echo $n >>too-many";
    let script =
        format!("mkdir -p running; : >running/$$; {count}; sleep 0.2; {count}; rm running/$$; echo x >>log");
    let listening = Listening::begin(&script).await;
    let mut asked = JoinSet::new();
    for number in 0..60 {
        let mut stream = listening.send(&format!("exec-{number}"), exec()).await;
        asked.spawn(async move { last(&mut stream).await.unwrap().code });
    }
    while let Some(code) = asked.join_next().await {
        assert_eq!(code.unwrap(), Some(200));
    }
    assert_eq!(listening.said("log").lines().count(), 60);
    assert_eq!(listening.said("too-many"), "");
}

#[tokio::test]
async fn programs_end_with_their_helper_and_the_next_is_of_the_new_version() {
    let listening = Listening::begin("echo $$ $PPID >process; sleep 1000").await;
    let _stream = listening.send("exec-1", exec()).await;
    listening.until(|| listening.said("process").ends_with('\n')).await;
    let said = listening.said("process");
    let (program, helper) = said.trim().split_once(' ').unwrap();
    signal(helper, Signal::SIGKILL);
    let program = PathBuf::from(format!("/proc/{program}"));
    listening.until(|| !program.exists()).await;
    // An upgrade: another file has the name.
    let folder = listening.inside("/mnt");
    let newer =
        format!("#!/bin/sh\necho newer >{}/version\n", listening.socket().parent().unwrap().display());
    put(&folder.join("newer"), &newer);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join("newer"), mode).unwrap();
    std::fs::rename(folder.join("newer"), folder.join("omadmd")).unwrap();
    listening.ask("get-1", level()).await;
    listening.until(|| listening.said("version") == "newer\n").await;
}

#[tokio::test]
async fn a_listener_that_is_ended_leaves_a_request_running_and_the_next_takes_the_socket_it_left() {
    let mut listening = Listening::begin("echo go >go; until [ -e on ]; do sleep 0.05; done; exit 3").await;
    let mut stream = listening.send("exec-1", exec()).await;
    listening.until(|| listening.said("go") == "go\n").await;
    signal(&listening.child.id().to_string(), Signal::SIGTERM);
    assert!(!listening.child.wait().unwrap().success());
    assert!(listening.socket().exists(), "it is left");
    listening.put("on", "");
    assert_eq!(last(&mut stream).await.unwrap().value.unwrap()["exit"], 3);
    let connect = async || UnixStream::connect(listening.socket()).await;
    assert!(connect().await.is_err());
    let next = listening.start_another();
    while connect().await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    listening.child = next;
    listening.listens().await;
    assert_eq!(listening.ask("get-1", level()).await.unwrap().value, Some(json!("7")));
}

#[tokio::test]
async fn who_makes_the_socket_is_not_disturbed_by_another_that_starts_meanwhile() {
    let mut listening = Listening::begin("true").await;
    listening.child.kill().unwrap();
    listening.child.wait().unwrap();
    // Somebody is between looking who listens and listening: what is there may be his by now.
    let made = listening.socket().metadata().unwrap().ino();
    let turn = std::fs::File::create(listening.socket().with_extension("lock")).unwrap();
    turn.lock().unwrap();
    assert_eq!(listening.start_another().wait().unwrap().code(), Some(1));
    assert_eq!(listening.socket().metadata().unwrap().ino(), made);
    drop(turn);
    let next = listening.start_another();
    while UnixStream::connect(listening.socket()).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    listening.child = next;
    listening.listens().await;
    assert_eq!(listening.ask("get-1", level()).await.unwrap().value, Some(json!("7")));
}

#[tokio::test]
async fn a_second_listener_leaves_the_socket_to_the_first() {
    let listening = Listening::begin("true").await;
    let mut second = listening.start_another();
    // Were it to take the socket, it would never end.
    for _ in 0..500 {
        if second.try_wait().unwrap().is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let _ = second.kill();
    assert_eq!(second.wait().unwrap().code(), Some(1));
    assert_eq!(listening.ask("get-1", level()).await.unwrap().value, Some(json!("7")));
}

/// What is no socket, nobody's listener has left.
#[tokio::test]
async fn what_is_no_socket_is_left_as_it_is() {
    let mut listening = Listening::begin("true").await;
    listening.child.kill().unwrap();
    listening.child.wait().unwrap();
    std::fs::remove_file(listening.socket()).unwrap();
    let is_refused = async |what: &str| {
        // One that listens would never end.
        let mut second = tokio::process::Command::from(listening.another());
        let second = tokio::time::timeout(LIMIT, second.stderr(Stdio::piped()).kill_on_drop(true).output());
        let second = second.await.unwrap_or_else(|_| panic!("it listens in place of {what}")).unwrap();
        let said = String::from_utf8(second.stderr).unwrap();
        let why = format!("{} is no socket: it is left as it is", listening.socket().display());
        assert!(second.status.code() == Some(1) && said.contains(&why), "{what}: {said}");
    };
    put(&listening.socket(), "precious");
    is_refused("a file").await;
    assert_eq!(listening.said("socket"), "precious");
    std::fs::remove_file(listening.socket()).unwrap();
    std::os::unix::fs::symlink("gate", listening.socket()).unwrap();
    is_refused("a link").await;
    assert!(listening.socket().is_symlink());
}
