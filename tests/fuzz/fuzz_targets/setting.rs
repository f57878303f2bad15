//! Settings of files: what is written reads back, and setting it back gives the bytes that were there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::ddf::Format;
use omadm_agent::mo::select::Select;
use omadm_agent::mo::setting::Setting;

// The bytes are a new value on a line, and the file.
fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(Ok(value)), Some(file)) = (parts.next().map(str::from_utf8), parts.next()) else { return };
    let member = |steps: &[&str]| {
        Setting::Member(steps.iter().map(|step| Select::Key((*step).to_owned())).collect())
    };
    let key = |section: Option<&str>| Setting::Key { section: section.map(str::to_owned), name: "a".to_owned() };
    let element = Setting::Member(vec![Select::Key("b".to_owned()), Select::Index(1)]);
    let all = [
        Setting::Variable("A".to_owned()),
        key(None),
        key(Some("s")),
        member(&["a"]),
        member(&["a", "b"]),
        element,
    ];
    for setting in all {
        let before = setting.read(file);
        let Ok(written) = setting.write(file, value, Format::Chr) else { continue };
        assert_eq!(setting.read(&written), Ok(Some(value.to_owned())), "{setting}");
        let Ok(Some(before)) = before else { continue };
        let Ok(restored) = setting.write(&written, &before, Format::Chr) else { continue };
        assert_eq!(setting.read(&restored), Ok(Some(before)), "{setting}");
    }
});
