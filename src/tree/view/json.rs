//! Writing JSON as a walk goes on (TS 7.5). Step 5 of a read.
//!
//! An optional interior node is there if anything in it is: until that is known, what was written of it is held back,
//! and cut off again where nothing is.

use crate::ddf::Format;
use crate::mo::Value;
use crate::tree::node::NodeRef;

use super::known::required;
use super::walk::Step;

/// The certainty that an interior node is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Certainty {
    /// The node is not there, or is not shown.
    Absent,
    /// The node is there if its parent is: the DDF requires it, and nothing else speaks of it.
    Presumed,
    /// The node is there: it has a value, is stored or listed.
    There,
}

/// The treatment of an interior node that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Written,
    /// Cut: it is below the level that is wanted, and only tells that what is above is there.
    Cut,
    /// Withheld: it is no server's business.
    Withheld,
}

#[derive(Debug)]
struct Open {
    kind: Kind,
    certainty: Certainty,
    /// The offset where the node begins, with what separates it from its sibling.
    start: usize,
    has_members: bool,
    /// The levels below it that are wanted.
    level: Option<u32>,
}

/// A writer of JSON, node by node.
#[derive(Debug, Default)]
pub(in crate::tree) struct Writer {
    pub(in crate::tree) out: Vec<u8>,
    open: Vec<Open>,
    /// The offset from which on it may be cut off again.
    held: Option<usize>,
    /// Whether the last outermost node that was closed had anything in it.
    pub(in crate::tree) had_members: bool,
}

impl Writer {
    /// Takes away what is written and stays, if it is at least `least` bytes.
    pub(in crate::tree) fn take(&mut self, least: usize) -> Option<Vec<u8>> {
        (self.held.is_none() && self.out.len() >= least).then(|| std::mem::take(&mut self.out))
    }

    /// Writes a step of a walk. The node where it starts is there, and gets no name.
    pub(in crate::tree) fn step(&mut self, step: &Step<'_>, level: Option<u32>) {
        match step {
            Step::Open { node, known, failed, shown } => {
                // Of what can't be listed nobody is told that it is empty; what is cut off is shown without what is in
                // it.
                let is_cut = self.open.last().is_some_and(|above| above.level.is_some_and(|left| left <= 1));
                let failed = *failed && !is_cut;
                self.open(node, required(node) && !failed, *known && !failed, *shown, level);
            }
            Step::Leaf { node, value, failed, shown } => self.leaf(node, value.as_ref(), *failed, *shown),
            Step::Close => self.close(),
        }
    }

    fn open(&mut self, node: &NodeRef, presumed: bool, known: bool, shown: bool, level: Option<u32>) {
        let Some(above) = self.open.last() else {
            self.out.push(b'{');
            let certainty = Certainty::There;
            self.open.push(Open { kind: Kind::Written, certainty, start: 0, has_members: false, level });
            return;
        };
        let kind = match above.kind {
            Kind::Withheld => Kind::Withheld,
            _ if !shown => Kind::Withheld,
            Kind::Cut => Kind::Cut,
            Kind::Written if above.level == Some(0) => Kind::Cut,
            Kind::Written => Kind::Written,
        };
        let level = above.level.map(|level| level.saturating_sub(1));
        let certainty = if presumed { Certainty::Presumed } else { Certainty::Absent };
        let start = self.out.len();
        if kind == Kind::Written {
            self.name(node);
            self.out.push(b'{');
            self.held.get_or_insert(start);
        }
        self.open.push(Open { kind, certainty, start, has_members: false, level });
        if known && kind != Kind::Withheld {
            self.is_there();
        }
    }

    fn leaf(&mut self, node: &NodeRef, value: Option<&Value>, failed: bool, shown: bool) {
        let Some(above) = self.open.last() else { return };
        if !shown || above.kind == Kind::Withheld {
            return;
        }
        let written = above.kind == Kind::Written && above.level != Some(0);
        match value {
            Some(value) => {
                if written {
                    self.name(node);
                    value.write_json(&mut self.out);
                    self.has_member();
                }
                self.is_there();
            }
            None if written && !failed && required(node) => {
                if let Some(empty) = empty(node.properties().format) {
                    self.name(node);
                    empty.write_json(&mut self.out);
                    self.has_member();
                }
            }
            None => {}
        }
    }

    fn close(&mut self) {
        let Some(closed) = self.open.pop() else { return };
        if closed.kind != Kind::Written {
            return;
        }
        if closed.certainty == Certainty::Absent {
            self.out.truncate(closed.start);
        } else {
            self.out.push(b'}');
            self.has_member();
        }
        // Inside another one that is held, `held` is that one's start.
        if self.held == Some(closed.start) && closed.certainty != Certainty::There {
            self.held = None;
        }
        if self.open.is_empty() {
            self.had_members = closed.has_members;
        }
    }

    /// Writes the name of a member, after a comma where there is one before it.
    fn name(&mut self, node: &NodeRef) {
        if self.open.last().is_some_and(|above| above.has_members) {
            self.out.push(b',');
        }
        write_name(node.name(), &mut self.out);
    }

    fn has_member(&mut self) {
        if let Some(above) = self.open.last_mut() {
            above.has_members = true;
        }
    }

    /// Notes that the open node is there, and so is all that it is in.
    fn is_there(&mut self) {
        self.held = None;
        for open in self.open.iter_mut().rev() {
            if open.certainty == Certainty::There {
                break;
            }
            open.certainty = Certainty::There;
        }
    }
}

/// The value of a leaf of this format that has none: nothing but a text can be empty, and nothing but `null` is null
/// (TS 7.5).
pub(in crate::tree) fn empty(format: Format) -> Option<Value> {
    match format {
        Format::Chr | Format::Xml | Format::Date | Format::Time => Some(Value::Text(String::new())),
        Format::Null => Some(Value::Null),
        Format::Bin | Format::B64 | Format::Bool | Format::Int | Format::Float | Format::Node => None,
    }
}

/// Appends `"name":`.
pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    write_string(name, out);
    out.push(b':');
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    // Writing a string into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}
