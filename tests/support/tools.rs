//! Programs of a test's own, and an object whose nodes run them.

use omadm_agent::lab::files;
use serde_json::Value;

use super::{Bench, ddf};

/// The object's MOID.
pub(crate) const TOOLS: &str = "urn:bench:mo:tools:1.0";

/// A node of the object.
pub(crate) fn tool(path: &str) -> String {
    format!("{TOOLS}//{path}")
}

/// Adds the object with these nodes below its root, and what is kept of it at first; `@folder@` in its mapping is the
/// bench's folder.
pub(crate) fn put_tools(bench: &Bench, nodes: &str, mapping: &str, kept: &Value) {
    let root = ddf::node("Tools", "node", "Get", "One", nodes);
    let mapping = format!("instances = [{{ miid = \"1\", data = \"kept.json\" }}]\n{mapping}");
    bench.gateway.put_mo("tools", "kept.json", &kept.to_string()).unwrap();
    ddf::put(&bench.gateway, TOOLS, "Tools", &root, &mapping);
}

/// Adds a program of `sh`; `@folder@` in it is the bench's folder.
pub(crate) fn put_script(bench: &Bench, name: &str, text: &str) {
    let text = format!("#!/bin/sh\n{text}");
    let text = text.replace("@folder@", &bench.gateway.path("").display().to_string());
    files::put(&bench.gateway.path(name), text, files::PROGRAM).unwrap();
}

/// What a program has left in the bench's folder; nothing where it has not.
pub(crate) fn written(bench: &Bench, name: &str) -> String {
    std::fs::read_to_string(bench.gateway.path(name)).unwrap_or_default()
}

/// Fails where the test does not run as root, which it needs for this reason.
#[track_caller]
pub(crate) fn takes_root(why: &str) {
    assert!(nix::unistd::geteuid().is_root(), "this test takes root: {why}");
}
