//! Effects, `verify`, undo.

use super::undo::{Before, OfFile};
use super::*;
use crate::base::files::Access;
use crate::mo::fill::FillError;
use crate::mo::key::{Key, Step};
use crate::mo::setting::Syntax;

fn sink(path: &str, pipeline: Pipeline) -> Sink {
    Sink { to: Call::File { path: literal(path), setting: None, privileged: false }, pipeline }
}

fn mode(mode: u32) -> Access {
    Access { mode, ..Access::default() }
}

async fn set(sink: &Sink, value: &Value, bench: &Bench) -> Undo {
    let act = Act::Set(sink, value);
    let undo = prepare_undo(act, &mut Prepared::default(), &bench.context()).await.unwrap().unwrap();
    perform(act, None, &bench.context()).await.unwrap();
    undo
}

#[tokio::test]
async fn set_writes_and_undo_takes_back() {
    let bench = Bench::new().file("/etc/led", "off");
    let path = bench.path("/etc/led");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let map = vec![("on".to_owned(), "true".to_owned()), ("off".to_owned(), "false".to_owned())];
    let sink = sink("/etc/led", Pipeline { map, ..Pipeline::default() });
    let undo = set(&sink, &Value::Bool(true), &bench).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), "on\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    undo.undo(&bench.machine).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "off");
}

#[tokio::test]
async fn undo_of_a_new_file_removes_it() {
    let bench = Bench::new();
    let undo = set(&sink("/new", Pipeline::default()), &Value::Bytes(vec![b'a']), &bench).await;
    assert_eq!(fs::read(bench.path("new")).unwrap(), b"a", "bytes gain no line's end");
    undo.undo(&bench.machine).await.unwrap();
    assert!(!bench.path("new").exists());
}

#[tokio::test]
async fn a_node_that_is_a_file_is_added_empty_and_what_was_removed_comes_back_as_it_was() {
    let bench = Bench::new().file("/etc/key", "secret");
    let (file, link) = (bench.path("/etc/key"), bench.path("/etc/link"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("key", &link).unwrap();
    let call = |path: &str| Call::File { path: literal(path), setting: None, privileged: false };
    let new = call("/etc/new");
    perform(Act::Add(&new), None, &bench.context()).await.unwrap();
    assert_eq!(fs::read(bench.path("/etc/new")).unwrap(), b"");

    for call in [call("/etc/link"), call("/etc/key")] {
        let undo = prepare_undo(Act::Delete(&call), &mut Prepared::default(), &bench.context())
            .await
            .unwrap()
            .unwrap();
        perform(Act::Delete(&call), None, &bench.context()).await.unwrap();
        perform(Act::Delete(&call), None, &bench.context()).await.expect("what is gone can go");
        undo.undo(&bench.machine).await.unwrap();
    }
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("key"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "secret");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn after_a_crash_only_what_the_effect_wrote_is_taken_back() {
    let bench = Bench::new().file("/etc/led", "off");
    let path = bench.path("/etc/led");
    let value = Value::Text("on".into());
    let undo = set(&sink("/etc/led", Pipeline::default()), &value, &bench).await;
    let left = bench.path("/etc/.led.omadm-7-0");
    files::replace(&left, b"half", 0o600).unwrap();
    assert_eq!(undo.clone().roll_back(&bench.machine).await.unwrap(), Undone::Restored);
    assert_eq!(fs::read_to_string(&path).unwrap(), "off");
    assert!(!left.exists(), "what a replacement left beside the file goes too");
    assert_eq!(
        undo.clone().roll_back(&bench.machine).await.unwrap(),
        Undone::Restored,
        "twice is as good as once"
    );

    files::replace(&path, b"by the owner", 0o644).unwrap();
    assert_eq!(undo.clone().roll_back(&bench.machine).await.unwrap(), Undone::Foreign);
    assert_eq!(fs::read_to_string(&path).unwrap(), "by the owner");
    fs::remove_file(&path).unwrap();
    assert_eq!(undo.roll_back(&bench.machine).await.unwrap(), Undone::Foreign);
    assert!(!path.exists());
}

#[tokio::test]
async fn what_is_too_large_to_be_put_back_is_not_written() {
    let bench = Bench::new().file("/large", "x".repeat(MAX_INPUT + 1));
    let sink = sink("/large", Pipeline::default());
    prepare_undo(Act::Set(&sink, &Value::Text("small".into())), &mut Prepared::default(), &bench.context())
        .await
        .unwrap_err();
}

#[test]
fn an_undo_comes_back_from_disk() {
    let path = || "/etc/led".into();
    for undo in [
        OfFile {
            path: path(),
            before: Before::Absent,
            written: Some([7; 32]),
            earlier: Vec::new(),
            in_place: None,
        },
        OfFile {
            path: path(),
            before: Before::File { content: vec![0, 1], access: mode(0o640) },
            written: None,
            earlier: Vec::new(),
            in_place: None,
        },
        OfFile {
            path: path(),
            before: Before::Link("../other".into()),
            written: None,
            earlier: Vec::new(),
            in_place: None,
        },
        OfFile {
            path: path(),
            before: Before::File {
                content: vec![0, 1],
                access: Access {
                    mode: 0o640,
                    owner: Some((7, 8)),
                    attributes: Some(vec![(b"user.a".to_vec(), b"b".to_vec())]),
                },
            },
            written: Some(<sha2::Sha256 as sha2::Digest>::digest(b"new").into()),
            earlier: vec![[5; 32], [6; 32]],
            in_place: Some(b"new".to_vec()),
        },
    ] {
        let shorter = if undo.before == Before::Absent { 0 } else { 8 };
        let undo = Undo::File(undo);
        let record = undo.encode();
        assert_eq!(Undo::decode(&record), Some(undo.clone()));
        let shortest = record.len() - shorter;
        for length in 0..shortest {
            assert_eq!(Undo::decode(&record[..length]), None, "{length} bytes of {undo:?}");
        }
    }
    assert_eq!(Undo::decode(&[0xff; 8]), None);
}

#[tokio::test]
async fn what_somebody_else_has_written_meanwhile_stays() {
    let bench = Bench::new().file("/a", "old").file("/gone", "old");
    let (path, gone) = (bench.path("/a"), bench.path("/gone"));
    let undo = set(&sink("/a", Pipeline::default()), &Value::Text("new".into()), &bench).await;
    files::replace(&path, b"theirs", 0o644).unwrap();
    assert_eq!(undo.undo(&bench.machine).await.unwrap(), Undone::Foreign);
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");

    let call = Call::File { path: literal("/gone"), setting: None, privileged: false };
    let undo =
        prepare_undo(Act::Delete(&call), &mut Prepared::default(), &bench.context()).await.unwrap().unwrap();
    perform(Act::Delete(&call), None, &bench.context()).await.unwrap();
    files::replace(&gone, b"theirs", 0o644).unwrap();
    assert_eq!(undo.undo(&bench.machine).await.unwrap(), Undone::Foreign);
    assert_eq!(fs::read_to_string(&gone).unwrap(), "theirs");
}

#[tokio::test]
async fn what_was_removed_comes_back_with_its_owner_and_its_attributes() {
    let bench = Bench::new().file("/a", "old");
    let path = bench.path("/a");
    assert!(nix::unistd::geteuid().is_root(), "only root can give files away, and show that they come back");
    std::os::unix::fs::chown(&path, Some(4711), Some(4712)).unwrap();
    rustix::fs::setxattr(&path, "user.note", b"kept", rustix::fs::XattrFlags::empty()).unwrap();
    let access = || Access::of(&path, &fs::metadata(&path).unwrap()).unwrap();
    let was = access();
    let call = Call::File { path: literal("/a"), setting: None, privileged: false };
    let undo =
        prepare_undo(Act::Delete(&call), &mut Prepared::default(), &bench.context()).await.unwrap().unwrap();
    perform(Act::Delete(&call), None, &bench.context()).await.unwrap();
    let undo = Undo::decode(&undo.encode()).unwrap();
    assert_eq!(undo.roll_back(&bench.machine).await.unwrap(), Undone::Restored);
    assert_eq!((access(), fs::read_to_string(&path).unwrap().as_str()), (was, "old"));
}

#[tokio::test]
async fn a_file_with_several_names_is_made_whole_again_wherever_its_writing_was_cut_short() {
    let bench = Bench::new().file("/a", "before, and longer\n");
    let (path, other) = (bench.path("/a"), bench.path("/b"));
    fs::hard_link(&path, &other).unwrap();
    let undo = set(&sink("/a", Pipeline::default()), &Value::Text("after".into()), &bench).await;
    assert_eq!(fs::read_to_string(&other).unwrap(), "after\n");
    for torn in ["after\n, and longer\n", "aftere, and longer\n", "after\n, and", "after\n"] {
        overwrite(&path, torn);
        assert_eq!(undo.clone().roll_back(&bench.machine).await.unwrap(), Undone::Restored, "{torn:?}");
        assert_eq!(fs::read_to_string(&other).unwrap(), "before, and longer\n");
    }
    overwrite(&path, "somebody else's");
    assert_eq!(undo.roll_back(&bench.machine).await.unwrap(), Undone::Foreign);
}

#[expect(clippy::disallowed_methods, reason = "in place, as the agent does it and others do")]
fn overwrite(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[test]
fn a_record_of_version_0_1_0_is_still_read() {
    let mut record = b"f\x02\0\0\0/a-f".to_vec();
    record.extend([0xa4, 1, 0, 0]);
    record.extend(b"old");
    let before = Before::File {
        content: b"old".to_vec(),
        access: Access { mode: 0o644, owner: None, attributes: None },
    };
    let expected = OfFile { path: "/a".into(), before, written: None, earlier: Vec::new(), in_place: None };
    assert_eq!(Undo::decode(&record), Some(Undo::File(expected)));
}

#[tokio::test]
async fn attributes_are_written_in_place() {
    let bench = Bench::real();
    let comm = format!("/proc/{}/comm", std::process::id());
    let old = fs::read_to_string(&comm).unwrap();
    let undo = set(&sink(&comm, Pipeline::default()), &Value::Text("gateway".into()), &bench).await;
    assert_eq!(fs::read_to_string(&comm).unwrap(), "gateway\n");
    undo.undo(&bench.machine).await.unwrap();
    assert_eq!(fs::read_to_string(&comm).unwrap(), old);
}

#[tokio::test]
async fn written_values_are_read_back() {
    let bench = Bench::new().file("/a", "1\n");
    let verify = Some(Duration::from_millis(150));
    let mapping = NodeMapping { get: vec![file_source("/a")], verify, ..NodeMapping::default() };
    assert_eq!(verified(&mapping, Format::Int, &Value::Int(1), &bench.context()).await.unwrap(), None);
    let read = verified(&mapping, Format::Int, &Value::Int(2), &bench.context()).await.unwrap();
    assert_eq!(read.as_deref(), Some("\"1\""));
    let one_way = NodeMapping { verify: None, ..mapping };
    assert_eq!(verified(&one_way, Format::Int, &Value::Int(2), &bench.context()).await.unwrap(), None);
}

fn setting_sink(key: &str) -> Sink {
    let setting = Some(Key { syntax: Syntax::Shell, steps: vec![Step::Name(literal(key))] });
    let to = Call::File { path: literal("/etc/poll.conf"), setting, privileged: false };
    Sink { to, pipeline: Pipeline::default() }
}

const POLL: &str = "# every so often\nINTERVAL=30\nUNIT='s'\n";

#[tokio::test]
async fn a_setting_is_written_alone_and_taken_back_to_the_byte() {
    let bench = Bench::new().file("/etc/poll.conf", POLL);
    let content = || fs::read_to_string(bench.path("/etc/poll.conf")).unwrap();
    let undo = set(&setting_sink("INTERVAL"), &Value::Int(60), &bench).await;
    assert_eq!(content(), POLL.replace("30", "60"));
    undo.undo(&bench.machine).await.unwrap();
    assert_eq!(content(), POLL);
    // One that is missing is added; a file too.
    let undo = set(&setting_sink("HOST"), &Value::Text("gw 1".into()), &bench).await;
    assert_eq!(content(), format!("{POLL}HOST='gw 1'\n"));
    undo.undo(&bench.machine).await.unwrap();
    fs::remove_file(bench.path("/etc/poll.conf")).unwrap();
    let undo = set(&setting_sink("HOST"), &Value::Text("gw".into()), &bench).await;
    assert_eq!(content(), "HOST=gw\n");
    undo.undo(&bench.machine).await.unwrap();
    assert!(!bench.path("/etc/poll.conf").exists());
}

const TUNNELS: &str = "[tunnel a]\nenabled = 1\n\n[tunnel b.c]\nenabled = 1\n";

/// A setting of a section that is called as an un-named node is.
fn of_tunnel() -> Key {
    let name = |text: &str| Step::Name(Template::parse(text).unwrap());
    Key { syntax: Syntax::Ini, steps: vec![name("tunnel {t}"), name("enabled")] }
}

async fn tunnel(bench: &Bench) -> Result<Answer<Value>, BackendError> {
    let from = SourceKind::File { path: literal("/etc/t.conf"), setting: Some(of_tunnel()) };
    bench.read(vec![source(from)], Format::Int).await
}

#[tokio::test]
async fn braces_in_a_key_are_filled_in_and_what_can_be_no_name_is_refused() {
    let of = |name: &str| Bench {
        names: vec![("t".to_owned(), name.to_owned())],
        ..Bench::new().file("/etc/t.conf", TUNNELS)
    };
    let call = Call::File { path: literal("/etc/t.conf"), setting: Some(of_tunnel()), privileged: false };
    let sink = Sink { to: call, pipeline: Pipeline::default() };
    for (name, written) in [
        ("a", TUNNELS.replacen("= 1", "= 0", 1)),
        // A dot in a name parts nothing.
        ("b.c", TUNNELS.replace("b.c]\nenabled = 1", "b.c]\nenabled = 0")),
        ("new", format!("{TUNNELS}\n[tunnel new]\nenabled = 0\n")),
    ] {
        let bench = of(name);
        let content = || fs::read_to_string(bench.path("/etc/t.conf")).unwrap();
        let undo = set(&sink, &Value::Int(0), &bench).await;
        assert_eq!(content(), written);
        assert!(matches!(tunnel(&bench).await, Ok(Answer::Value(Value::Int(0)))));
        undo.undo(&bench.machine).await.unwrap();
        assert_eq!(content(), TUNNELS);
    }
    let absent = tunnel(&of("gone")).await.unwrap();
    assert!(matches!(&absent, Answer::Absent(why) if why.contains("no [tunnel gone] enabled")), "{absent:?}");
    for hostile in ["a]", "a\nx=1", "a ", "\0"] {
        let bench = of(hostile);
        let error = tunnel(&bench).await.unwrap_err();
        assert!(matches!(error, BackendError::Fill(FillError::Key { .. })), "{error}");
        let act = Act::Set(&sink, &Value::Int(0));
        let error = prepare_undo(act, &mut Prepared::default(), &bench.context()).await;
        assert!(matches!(error, Err(BackendError::Fill(_))));
        assert_eq!(fs::read_to_string(bench.path("/etc/t.conf")).unwrap(), TUNNELS);
    }
}

#[tokio::test]
async fn two_settings_of_one_file_are_taken_back_one_by_one() {
    let bench = Bench::new().file("/etc/poll.conf", POLL);
    let content = || fs::read_to_string(bench.path("/etc/poll.conf")).unwrap();
    let sinks = [setting_sink("INTERVAL"), setting_sink("UNIT")];
    let values = [Value::Int(60), Value::Text("min".into())];
    // Whenever the agent dies, and whatever of it is done by then.
    for done in 0..=2 {
        let (mut before, mut undos) = (Prepared::default(), Vec::new());
        for (sink, value) in sinks.iter().zip(&values) {
            let act = Act::Set(sink, value);
            undos.push(prepare_undo(act, &mut before, &bench.context()).await.unwrap().unwrap());
        }
        for ((sink, value), undo) in sinks.iter().zip(&values).zip(&undos).take(done) {
            perform(Act::Set(sink, value), Some(undo), &bench.context()).await.unwrap();
        }
        assert_eq!(content().contains("60"), done > 0);
        assert_eq!(content().contains("'min'"), done > 1);
        for undo in undos.into_iter().rev() {
            let undo = Undo::decode(&undo.encode()).unwrap();
            assert_eq!(undo.roll_back(&bench.machine).await.unwrap(), Undone::Restored, "{done}");
        }
        assert_eq!(content(), POLL, "{done}");
    }
}

#[tokio::test]
async fn a_settings_file_that_somebody_else_changes_meanwhile_stays_as_they_left_it() {
    let bench = Bench::new().file("/etc/poll.conf", POLL);
    let (sink, value) = (setting_sink("INTERVAL"), Value::Int(60));
    let act = Act::Set(&sink, &value);
    let undo = prepare_undo(act, &mut Prepared::default(), &bench.context()).await.unwrap().unwrap();
    let theirs = POLL.replace("'s'", "'h'");
    files::replace(&bench.path("/etc/poll.conf"), theirs.as_bytes(), 0o644).unwrap();
    let error = perform(act, Some(&undo), &bench.context()).await.unwrap_err();
    assert!(matches!(error, BackendError::Changed(_)) && error.is_temporary(), "{error}");
    assert_eq!(undo.undo(&bench.machine).await.unwrap(), Undone::Foreign);
    assert_eq!(fs::read_to_string(bench.path("/etc/poll.conf")).unwrap(), theirs);
}

#[tokio::test]
async fn a_settings_file_that_is_not_understood_is_not_touched() {
    let bench = Bench::new().file("/etc/poll.conf", "INTERVAL=$(cat /run/x)\n");
    let (sink, value) = (setting_sink("INTERVAL"), Value::Int(60));
    let error = prepare_undo(Act::Set(&sink, &value), &mut Prepared::default(), &bench.context()).await;
    let told = error.unwrap_err().to_string();
    assert!(
        told.ends_with("/etc/poll.conf: INTERVAL: line 1: its value takes a shell (`$`) to be known"),
        "{told}"
    );
}
