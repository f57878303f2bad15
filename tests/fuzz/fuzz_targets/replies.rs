//! What the agent reads of the privileged helper: replies from its socket, and the results that EXECs have left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use omadm_agent::backend::{End, Exit, Reports, exit_of_end, exit_of_reply};
use omadm_agent::ddf::Format;
use omadm_agent::helper_protocol::{HelperReply, code, frame, length, parse_end, parse_reply};
use omadm_agent::mo::Value;

const FORMATS: [Format; 10] = [
    Format::Bool,
    Format::Int,
    Format::Float,
    Format::Chr,
    Format::Xml,
    Format::Date,
    Format::Time,
    Format::Bin,
    Format::B64,
    Format::Null,
];

fuzz_target!(|bytes: &[u8]| {
    // As a stream of frames, until one of them is none.
    let mut rest = bytes;
    while let Some((header, after)) = rest.split_first_chunk()
        && let Some(content) = length(*header).and_then(|length| after.get(..length))
    {
        rest = &after[content.len()..];
        if let Ok(reply) = parse_reply(content) {
            heard(reply);
        }
    }
    if let Ok(reply) = parse_reply(bytes) {
        heard(reply);
    }
    if let Some(end) = parse_end(bytes) {
        let has_begun = end.code.is_none();
        reported(end.output.clone());
        let exit = exit_of_end("urn:m/1/Do", end);
        assert!(has_begun || matches!(exit.end, End::Failed | End::NotBegun | End::Unsupported));
        sound(&exit, bytes);
    }
});

fn heard(reply: HelperReply) {
    if let Some(framed) = frame(&reply) {
        assert_eq!(parse_reply(&framed[4..]).as_ref(), Ok(&reply));
    }
    if let Some(json) = &reply.value {
        for value in FORMATS.iter().filter_map(|format| Value::from_json(*format, json).ok()) {
            let mut written = Vec::new();
            value.write_json(&mut written);
            assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
        }
    }
    reported(reply.output.clone());
    let is_ok = reply.code == Some(code::OK);
    let exit = exit_of_reply("urn:m/1/Do", reply);
    assert!(is_ok || !matches!(exit.end, End::Code(_) | End::Signal(_) | End::Timeout));
}

fn reported(output: serde_json::Map<String, serde_json::Value>) {
    let keys = ["State", "../Note"];
    let reports = Reports::new(keys.map(str::to_owned).to_vec());
    reports.put(output);
    assert!(reports.take().keys().all(|key| keys.contains(&key.as_str())));
}

fn sound(exit: &Exit, bytes: &[u8]) {
    assert!(exit.stdout.len() <= bytes.len() && exit.said.len() <= bytes.len());
}
