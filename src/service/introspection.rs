//! What the objects say of themselves.

use super::call::is_above;
use super::{LOG_PATH, PATH};

const AGENT_XML: &str = include_str!("org.omadm.Agent1.xml");
const LOG_XML: &str = include_str!("org.freedesktop.LogControl1.xml");
/// The interfaces that every object has, and the end of the description.
const STANDARD_XML: &str = include_str!("standard.xml");

/// The description of the object at a path.
pub(super) fn describe(path: &str) -> String {
    match path {
        PATH => format!("{AGENT_XML}{STANDARD_XML}"),
        LOG_PATH => format!("{LOG_XML}{STANDARD_XML}"),
        above => {
            let below = |object: &str| {
                let rest = if above == "/" {
                    object.strip_prefix('/')
                } else {
                    object.strip_prefix(above)?.strip_prefix('/')
                };
                Some(rest?.split('/').next()?.to_owned())
            };
            let mut children: Vec<String> =
                [PATH, LOG_PATH].into_iter().filter(|_| is_above(above)).filter_map(below).collect();
            children.dedup();
            let nodes: String = children.iter().map(|name| format!(" <node name=\"{name}\"/>\n")).collect();
            format!("<node>\n{nodes}</node>\n")
        }
    }
}
