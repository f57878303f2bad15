//! Warnings about an `exec`: what it does, when, and how its end is told.

use std::time::Duration;

use crate::ddf::AccessType;

use super::super::join::node_key;
use super::super::leaf_path::LeafPath;
use super::super::mapping::{AlertData, Call, Exec, Program, Window};
use super::super::object::{ManagementObject, NodeId};
use super::super::template::Template;
use super::sources::is_same_call;

/// The shortest time that a program may be meant to have.
const SHORTEST: Duration = Duration::from_secs(1);
/// The words that end the agent's own session.
const ENDS: [&str; 5] = ["Reboot", "PowerOff", "reboot", "poweroff", "shutdown"];

/// What is hardly meant of an `exec`.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, exec: &Exec, told: &mut Vec<String>) {
    let mut tell = |what: &str| told.push(what.to_owned());
    if !exec.codes.is_empty() && !matches!(exec.call, Call::Run(_)) {
        tell("`exec.codes` are of a program's exit codes: there is none here");
    }
    // The hundreds of a number say whether it is a failure, with 1000 before them or without (TS 5.4).
    let fails = |(code, number): &(i32, u16)| *code == 0 && matches!(number / 100, 4 | 5 | 14 | 15);
    if exec.codes.iter().any(fails) {
        tell("`exec.codes` tells 0, with which a program says that all went well, as a failure");
    }
    if let Some(alert) = &exec.alert {
        if alert.codes.iter().any(fails) {
            tell("`exec.alert` tells 0, with which a program says that all went well, as a failure");
        }
        if !matches!(alert.data, AlertData::Text(_))
            && alert.otherwise.is_some_and(|number| number / 100 == 2)
        {
            tell("`exec.alert.otherwise` is for failures, and tells them as success");
        }
    }
    if exec.window.as_ref().is_some_and(Window::is_always) {
        tell("`exec.window` is open all the time");
    }
    if exec.timeout() < SHORTEST {
        tell("`exec.timeout` is less than a second");
    }
    if !exec.after_session && ends_session(&exec.call) {
        tell(
            "`exec` ends the session in which it is asked for: say `after-session = true`, so that it is answered first",
        );
    }
    leaves(object, id, exec, told);
    let same = |other: &NodeId| {
        let exec_of = object.node(*other).mapping.exec.as_deref();
        other.index() < id.index() && exec_of.is_some_and(|other| is_same_call(&other.call, &exec.call))
    };
    if let Some(other) = object.ids().find(same) {
        told.push(format!("`exec` does what that of [{}] does", node_key(&object.path(other))));
    }
}

fn ends_session(call: &Call) -> bool {
    match call {
        Call::Bus { member, method: true, .. } => ENDS.contains(&member.as_str()),
        Call::Run(Program { argv, .. }) => {
            let name =
                |at: usize| argv.get(at).and_then(Template::literal).and_then(|word| word.rsplit('/').next());
            let is_systemctl = name(0) == Some("systemctl");
            name(usize::from(is_systemctl)).is_some_and(|name| ENDS.contains(&name))
        }
        _ => false,
    }
}

fn leaves(object: &ManagementObject, id: NodeId, exec: &Exec, told: &mut Vec<String>) {
    let Some(result) = exec.result.as_ref().and_then(|result| result.path.find(object, id)) else { return };
    let is_it = |path: &LeafPath| path.find(object, id) == Some(result);
    if exec.output.iter().any(|output| is_it(&output.path)) {
        told.push("`exec.result` is a leaf of `output` too: the end overwrites what was reported".to_owned());
    }
    if object.node(id).mapping.input.iter().any(|input| is_it(&input.path)) {
        told.push("`exec.result` is a leaf of `input` too: it overwrites what a server gave".to_owned());
    }
    if !object.node(result).properties.access.allows(AccessType::GET) {
        told.push("`exec.result` goes into a leaf that servers can't read".to_owned());
    }
}
