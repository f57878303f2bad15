//! Reading a call, which writes, runs or calls something: `set`, `add`, `delete`, `exec`.

use std::time::Duration;

use crate::base::OrderedSet;
use crate::spanned::Reader;

use super::parts::{argv, kind, member, object, template, templates, truth};
use super::setting::setting;
use super::{Call, Program, TIMEOUT};

const USER: &str = "omadm";
/// The longest time that may be given: `RuntimeMaxSec=` of `omadm-exec@.service`, less what goes before and after.
const LONGEST: Duration = Duration::from_secs(55 * 60);

/// Reads a call of one of the `allowed` kinds; a D-Bus property only where there is a value for it.
pub(super) fn call(
    reader: &mut Reader<'_>,
    allowed: &[&'static str],
    has_value: bool,
    objects: &OrderedSet<String>,
) -> Option<Call> {
    match kind(reader, allowed)? {
        "file" => {
            let path = template(reader, "file");
            // An empty file that `add` makes has no settings; what `exec` writes is no setting.
            let setting = if has_value { setting(reader) } else { None };
            let privileged = reader.or("privileged", false);
            Some(Call::File { path: path?, setting, privileged })
        }
        "object" => bus_call(reader, has_value, objects),
        "run" => {
            let argv = argv(reader, "run");
            let user: String = reader.or("user", USER.to_owned());
            let timeout = timeout(reader);
            if reader.raw("privileged").is_some() {
                reader.problem(
                    "privileged",
                    "is for a `file` or an `object`: of a program, say `user = \"root\"`",
                );
            }
            if user.is_empty() || user.contains(|c: char| c.is_whitespace() || c == ':' || c == '/') {
                reader.problem("user", "expected the name of a user");
            }
            Some(Call::Run(Program { argv: argv?, user, timeout }))
        }
        _ => truth(reader, "store").then_some(Call::Store),
    }
}

fn bus_call(reader: &mut Reader<'_>, property_allowed: bool, objects: &OrderedSet<String>) -> Option<Call> {
    let object = object(reader, objects);
    let kind =
        if property_allowed { kind(reader, &["property", "method"]) } else { kind(reader, &["method"]) };
    let kind = kind?;
    let name = member(reader, kind);
    let method = kind == "method";
    let args = if method { templates(reader, "args").unwrap_or_default() } else { Vec::new() };
    let timeout = if method { timeout(reader) } else { TIMEOUT };
    let privileged = reader.or("privileged", false);
    Some(Call::Bus { object: object?, member: name?, method, args, timeout, privileged })
}

fn timeout(reader: &mut Reader<'_>) -> Duration {
    let timeout = reader.or("timeout", TIMEOUT);
    if timeout.is_zero() {
        reader.problem("timeout", "must be more than nothing");
    }
    if timeout > LONGEST {
        reader.problem("timeout", "is more than 55min: the helper is ended after an hour, whatever it is at");
    }
    timeout
}
