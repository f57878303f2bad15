//! When an EXEC may begin, and when it may go on: an agent that says what it likes.

use super::*;
use crate::base::boot_id;
use crate::helper::record;

fn ops(node: &str, resumed: bool, url: &str) -> Json {
    json!([{ "op": "exec", "node": node, "miid": "1", "resumed": resumed, "input": { "PkgURL": url } }])
}

impl Bench {
    /// A bench whose program notes how it is begun, and whose veto lets nothing pass.
    fn that_notes() -> Self {
        let bench = Self::new();
        let log = bench.path("log");
        let note = format!("read input; echo \"${{OMADM_RESUMED:-new}} $input\" >> {}", log.display());
        bench.script("bin/do", &note);
        bench.script("etc/veto.d/10-never", "exit 1");
        bench
    }

    async fn goes_on(&self, url: &str) -> Option<u16> {
        self.replies(&self.request(&format!("g-{}", unique()), ops("GoesOn", true, url))).await[1].code
    }

    async fn begins(&self) -> Option<u16> {
        self.replies(&self.request(&format!("g-{}", unique()), ops("GoesOn", false, "first"))).await[1].code
    }

    /// Lets one EXEC pass, and then no more.
    async fn begin_once(&self) {
        self.script("etc/veto.d/10-never", "exit 0");
        assert_eq!(self.begins().await, Some(200));
        self.script("etc/veto.d/10-never", "exit 1");
        assert_eq!(self.begins().await, Some(403));
    }

    /// The names of the notes there are.
    fn notes(&self) -> Vec<String> {
        let Ok(kept) = fs::read_dir(self.path("var/kept")) else { return Vec::new() };
        let names = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("begun.")).map(|name| format!("var/kept/{name}")).collect()
    }

    /// What the only note says, changed so.
    fn note(&self, change: impl Fn(&mut Json)) {
        let [name] = &self.notes()[..] else { panic!("{:?}", self.notes()) };
        let mut note: Json = serde_json::from_str(&self.text(name)).unwrap();
        change(&mut note);
        self.write(name, &note.to_string());
    }

    /// Lets one EXEC pass, and cuts it off, as the end of its helper does.
    async fn cut_off(&self) {
        let quick = self.text("bin/do");
        self.script("bin/do", &format!("{}\nsleep 10", quick.trim_start_matches("#!/bin/sh")));
        self.script("etc/veto.d/10-never", "exit 0");
        let (mut stream, helper) = self.helper();
        let request = self.request(&format!("c-{}", unique()), ops("GoesOn", false, "first"));
        stream.write_all(&frame(&request).unwrap()).await.unwrap();
        while !fs::read_to_string(self.path("log")).is_ok_and(|log| log.ends_with('\n')) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        helper.abort();
        assert!(helper.await.unwrap_err().is_cancelled());
        self.script("bin/do", quick.trim_start_matches("#!/bin/sh"));
        self.script("etc/veto.d/10-never", "exit 1");
    }

    /// Whether any file of what is kept has a text in it.
    fn is_kept(&self, text: &str) -> bool {
        let kept = fs::read_dir(self.path("var/kept")).unwrap();
        kept.map(|entry| fs::read(entry.unwrap().path()).unwrap())
            .any(|content| content.windows(text.len()).any(|part| part == text.as_bytes()))
    }

    /// As if the machine were booted.
    fn reboot(&self) {
        self.note(|note| {
            assert_eq!(note["ended"], boot_id());
            note["ended"] = "another boot".into();
        });
    }
}

#[tokio::test]
async fn what_has_not_begun_does_not_go_on() {
    let bench = Bench::that_notes();
    assert_eq!(bench.goes_on("first").await, Some(403), "the veto is asked");
    assert!(!bench.path("log").exists());
    bench.script("etc/veto.d/10-never", "exit 0");
    assert_eq!(bench.goes_on("first").await, Some(200));
    assert_eq!(bench.text("log"), "new {\"PkgURL\":\"first\"}\n", "and it begins anew");
}

#[tokio::test]
async fn what_has_ended_goes_on_after_a_boot_only_with_what_it_began_with_and_some_times() {
    let bench = Bench::that_notes();
    bench.begin_once().await;
    assert_eq!(bench.goes_on("first").await, Some(403), "its result is there");
    for time in 1..=7 {
        bench.reboot();
        assert_eq!(bench.goes_on("second").await, Some(500), "{time}");
        assert_eq!(bench.goes_on("first").await, Some(200), "{time}");
    }
    bench.reboot();
    bench.script("etc/veto.d/10-never", "exit 0");
    for url in ["first", "second"] {
        assert_eq!(bench.goes_on(url).await, Some(403), "it does not begin anew either");
    }
    let log = bench.text("log");
    let log: Vec<&str> = log.lines().collect();
    assert_eq!(log[0], "new {\"PkgURL\":\"first\"}");
    assert_eq!(log[1..], ["1 {\"PkgURL\":\"first\"}"; 7], "what was let pass, and not what is told now");
}

#[tokio::test]
async fn what_runs_does_not_go_on_beside_itself() {
    let bench = Bench::that_notes();
    bench.script("etc/veto.d/10-never", "exit 0");
    bench.script("bin/do", &format!("echo x >>{}; sleep 1", bench.path("log").display()));
    let request = bench.request("beside-1", ops("GoesOn", false, "first"));
    let (mut stream, helper) = bench.helper();
    stream.write_all(&frame(&request).unwrap()).await.unwrap();
    assert!(next(&mut stream).await.unwrap().taken);
    while !bench.path("log").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..3 {
        assert_eq!(bench.goes_on("first").await, Some(503));
    }
    helper.await.unwrap().unwrap();
    assert_eq!(bench.text("log"), "x\n");
}

#[tokio::test]
async fn what_was_cut_off_goes_on_with_what_it_began_with_and_keeps_it_no_longer() {
    for boot in [boot_id(), "another boot".to_owned()] {
        let bench = Bench::that_notes();
        bench.cut_off().await;
        let [note] = &bench.notes()[..] else { panic!("{:?}", bench.notes()) };
        assert!(bench.text(note).contains("first"), "it is needed");
        bench.note(|note| note["boot"] = boot.as_str().into());
        if record::is_old(&boot, record::booted()) {
            // This machine runs for longer than what an earlier boot began with is kept.
            assert_eq!(bench.goes_on("second").await, Some(500));
            assert!(!bench.is_kept("\"first"));
            continue;
        }
        assert_eq!(bench.goes_on("second").await, Some(200));
        assert_eq!(bench.text("log"), "new {\"PkgURL\":\"first\"}\n1 {\"PkgURL\":\"first\"}\n");
        assert!(!bench.is_kept("first"));
        assert_eq!(bench.goes_on("first").await, Some(403));
    }
}

#[tokio::test]
async fn what_an_exec_began_with_is_on_disk_no_more_once_it_has_ended_however_it_ends() {
    let bench = Bench::that_notes();
    bench.script("etc/veto.d/10-never", "exit 0");
    for (number, how) in ["exit 0", "exit 1", "kill -9 $$"].iter().enumerate() {
        bench.script("bin/do", how);
        let request = bench.request(&format!("ends-{number}"), ops("GoesOn", false, "hunter2-secret"));
        assert_eq!(bench.replies(&request).await[1].code, Some(200), "{how}");
        assert!(!bench.is_kept("hunter2"), "{how}");
        assert_eq!(bench.notes().len(), 1);
    }
}

#[tokio::test]
async fn what_was_cut_off_hours_ago_keeps_no_secret_whoever_asks_for_what_and_goes_on_with_the_same() {
    let bench = Bench::that_notes();
    bench.cut_off().await;
    bench.note(|note| note["at"] = (note["at"].as_i64().unwrap() - 5 * 3600).into());
    assert_eq!(bench.one(json!({ "op": "get", "node": "Level", "source": 0 })).await.0, 200);
    assert!(bench.is_kept("first"), "some hours are not over");
    bench.note(|note| note["at"] = (note["at"].as_i64().unwrap() - 2 * 3600).into());
    assert_eq!(bench.one(json!({ "op": "get", "node": "Level", "source": 0 })).await.0, 200);
    assert!(!bench.is_kept("first"));
    assert_eq!(bench.goes_on("second").await, Some(500), "nobody knows how it ended");
    assert_eq!(bench.goes_on("first").await, Some(200));
}

#[tokio::test]
async fn what_could_not_be_begun_does_not_go_on() {
    let bench = Bench::that_notes();
    let marks = async |resumed: bool| {
        let ops = json!([{ "op": "exec", "node": "Marks", "miid": "1", "resumed": resumed }]);
        bench.replies(&bench.request(&format!("m-{}", unique()), ops)).await[1].code
    };
    bench.script("etc/veto.d/10-never", "exit 0");
    assert_eq!(marks(false).await, Some(404), "there is no such folder");
    assert!(bench.notes().is_empty(), "{:?}", bench.notes());
    fs::create_dir(bench.path("later")).unwrap();
    bench.script("etc/veto.d/10-never", "exit 1");
    assert_eq!(marks(true).await, Some(403), "the veto is asked");
    bench.script("etc/veto.d/10-never", "exit 0");
    assert_eq!(marks(true).await, Some(200));
}

#[tokio::test]
async fn an_earlier_helpers_note_is_good_as_well() {
    let bench = Bench::that_notes();
    bench.begin_once().await;
    bench.note(|note| *note = json!({ "input": { "PkgURL": "first" }, "times": 0, "ended": "another boot" }));
    // It is as old as this boot: after hours of that nobody knows what it began with.
    let is_old = record::is_old("", 0);
    assert_eq!(bench.goes_on("second").await, Some(if is_old { 500 } else { 200 }));
}

#[tokio::test]
async fn a_note_is_of_one_instance_and_for_one_server() {
    let bench = Bench::that_notes();
    bench.begin_once().await;
    bench.reboot();
    let mut request = bench.request("of-2", ops("GoesOn", true, "first"));
    request["server"] = "another".into();
    assert_eq!(bench.replies(&request).await[1].code, Some(403));
    let mut request = bench.request("of-3", ops("GoesOn", true, "first"));
    request["ops"][0]["miid"] = "".into();
    assert_eq!(bench.replies(&request).await[1].code, Some(403));
}

#[tokio::test]
async fn a_damaged_note_is_none_and_notes_are_few() {
    let bench = Bench::that_notes();
    bench.begin_once().await;
    bench.write(&bench.notes()[0], "{\"input\":");
    assert_eq!(bench.goes_on("first").await, Some(403));
    bench.script("etc/veto.d/10-never", "exit 0");
    for server in 0..20 {
        let mut request = bench.request(&format!("few-{server}"), ops("GoesOn", false, "first"));
        request["server"] = format!("s{server}").into();
        assert_eq!(bench.replies(&request).await[1].code, Some(200));
    }
    assert_eq!(bench.notes().len(), 16);
}

#[tokio::test]
async fn nothing_begins_outside_of_its_window() {
    let bench = Bench::that_notes();
    let weekday =
        (std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86400 + 3)
            % 7;
    // Whatever the zone: yesterday to tomorrow, and the day after that.
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let day = |ahead: u64| days[usize::try_from((weekday + 1 + ahead) % 7).unwrap()];
    let around = format!("{},{},{} 00:00-24:00", day(6), day(0), day(1));
    let later = format!("{} 02:00-04:00", day(3));
    for (window, code) in [(later, 503), (around, 200)] {
        let mapping = MAPPING.replace("ROOT", &bench.folder.path().display().to_string());
        bench.write("usr/mo/gate/gate.toml", &mapping.replace("Mon 02:00-04:00", &window));
        let ops = json!([{ "op": "exec", "node": "Timed", "miid": "1" }]);
        let replies = bench.replies(&bench.request(&format!("w-{code}"), ops)).await;
        assert_eq!(replies[1].code, Some(code), "{window}: {:?}", replies[1]);
        assert_eq!(bench.path("log").exists(), code == 200);
    }
}

#[tokio::test]
async fn what_a_power_cut_leaves_of_a_write_goes_and_what_is_being_written_stays() {
    let bench = Bench::that_notes();
    bench.begin_once().await;
    let note = bench.notes()[0].replace("var/kept/", "");
    for name in [note.as_str(), "u-1", "u-2.over-1f", "u-3"] {
        bench.write(&format!("var/kept/.{name}.omadm-4711-0"), "hunter2");
    }
    let busy = fs::File::create(bench.path("var/kept/u-3.lock")).unwrap();
    busy.lock().unwrap();
    let get = json!({ "op": "get", "node": "Level", "source": 0 });
    assert_eq!(bench.one(get.clone()).await.0, 200);
    let kept = fs::read_dir(bench.path("var/kept")).unwrap();
    let mut left: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, [".u-3.omadm-4711-0", note.as_str(), "u-3.lock"]);
    drop(busy);
    assert_eq!(bench.one(get).await.0, 200);
    assert!(!bench.is_kept("hunter2"));
}
