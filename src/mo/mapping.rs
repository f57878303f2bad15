//! The content of a mapping file: where a node's value comes from and goes to.

use std::time::Duration;

mod alarm;
mod call;
mod description;
mod exec;
mod input;
mod limits;
mod list;
mod node;
mod parts;
mod pipeline;
mod read;
mod scalar;
mod setting;
mod source;
mod watch;

pub use alarm::AlarmAlert;
pub(super) use alarm::{AlarmEntry, ConditionEntry, ThresholdEntry};
pub(super) use description::Description;
pub(super) use node::is_same_place;
pub(crate) use read::bus_objects;
pub(super) use read::{HeadLines, MappingFile, SeedEntry};
pub(crate) use source::sources;

pub(crate) use super::key::Key;
pub(crate) use super::leaf_path::LeafPath;
pub(crate) use super::limit::Limits;
pub(crate) use super::pattern::Pattern;
pub(crate) use super::pipeline::{Pipeline, TimeUnit};
pub(crate) use super::select::Select;
pub(crate) use super::source::{Source, SourceKind, WatchEntry};
pub(crate) use super::template::{Piece, Template};
pub(crate) use super::window::Window;

/// The number under which `codes` has what a veto program's exit code means: so much more than that code.
pub(crate) const VETO: i32 = 256;
/// The number under which `codes` has what any veto means.
pub(crate) const ANY_VETO: i32 = 512;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A D-Bus object, named once in `[object.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusObject {
    /// The bus name of the service.
    pub name: String,
    /// The object's path; may hold one `*`.
    pub path: String,
    /// The interface.
    pub interface: String,
    /// The path of the object manager that tells of all such objects at once, if there is one.
    pub manager: Option<String>,
}

/// The mapping of a node, as `[node."…"]` has it. The default is a node without a mapping: its value is in the store.
///
/// What few nodes have is boxed: there are hundreds of nodes, and the agent holds all of them as long as it runs.
#[derive(Clone, Debug, Default)]
pub struct NodeMapping {
    /// The line where it stands in the mapping file; 0 if nowhere.
    pub line: usize,
    /// The sources in order of preference; empty: the store.
    pub get: Vec<Source>,
    /// The sink that a server's value goes to.
    pub set: Option<Box<Sink>>,
    /// The call by which a child that a server adds comes about.
    pub add: Option<Box<Call>>,
    /// The call by which a child that a server deletes goes.
    pub delete: Option<Box<Call>>,
    /// The list of an un-named node's children.
    pub list: Option<Box<List>>,
    /// The action of EXEC.
    pub exec: Option<Box<Exec>>,
    /// Whether the first definitive answer is kept.
    pub pin: bool,
    /// The time after the agent's start for which a better source is waited for.
    pub wait: Option<Duration>,
    /// The pattern that the whole value must match.
    pub pattern: Option<Pattern>,
    /// The longest value, in bytes.
    pub max_len: Option<usize>,
    /// The limits of the value: `min`, `max`, `enum`.
    pub limits: Limits,
    /// How long a written value is read back; none: not at all.
    pub verify: Option<Duration>,
    /// The other leaves that programs and braces are given.
    pub input: Vec<Input>,
}

impl NodeMapping {
    /// What the mapping changes and does, each with its key.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, &Call)> {
        [
            ("set", self.set.as_ref().map(|sink| &sink.to)),
            ("add", self.add.as_deref()),
            ("delete", self.delete.as_deref()),
            ("exec", self.exec.as_ref().map(|exec| &exec.call)),
        ]
        .into_iter()
        .filter_map(|(key, call)| Some((key, call?)))
    }

    /// Whether the leaf's value is the agent's to keep, or may be.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.get.is_empty() || self.get.iter().any(|source| matches!(source.from, SourceKind::Store))
    }
}

/// A leaf that `input` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The key as written, by which programs know the leaf.
    pub key: String,
    /// The path to the leaf.
    pub path: LeafPath,
    /// The value that counts where the leaf has none.
    pub default: Option<String>,
}

/// A sink: where a value goes to.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The call that brings the value there.
    pub to: Call,
    /// The pipeline, inverted when the value is written.
    pub pipeline: Pipeline,
}

/// A call: an outside effect.
#[derive(Clone, Debug)]
pub enum Call {
    /// A file below the sysroot is written.
    File {
        /// The path of the file.
        path: Template,
        /// `key`: the one setting of it that is meant; none: all of it.
        setting: Option<Key>,
        /// Whether writing takes root: the privileged helper does it.
        privileged: bool,
    },
    /// A program is run.
    Run(Program),
    /// A D-Bus property is set, or a method called.
    Bus {
        /// `object`: the D-Bus object.
        object: String,
        /// `property`, or `method`: the member of it.
        member: String,
        /// Whether the member is a method; else it is a property.
        method: bool,
        /// `args`: the arguments of the call.
        args: Vec<Template>,
        /// The time after which a method is given up.
        timeout: Duration,
        /// Whether the call takes root: the privileged helper makes it.
        privileged: bool,
    },
    /// The store: the value is kept by the agent.
    Store,
}

/// A program to run: never through a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; braces are filled in after it was split.
    pub argv: Vec<Template>,
    /// The user it runs as, through the privileged helper; where there is none, it runs as the agent does, and `root`
    /// is refused.
    pub user: String,
    /// The time after which it is killed.
    pub timeout: Duration,
}

/// `exec`: the action of EXEC.
#[derive(Clone, Debug)]
pub struct Exec {
    /// The call that is made.
    pub call: Call,
    /// The status codes (1000–1999) of exit codes.
    pub codes: Vec<(i32, u16)>,
    /// Whether it is run when the session has ended.
    pub after_session: bool,
    /// The type of the alert that reports an asynchronous end.
    pub alert_type: String,
    /// `alert`: what else that alert is; none: the node is its source, and the status its data.
    pub alert: Option<ExecAlert>,
    /// Whether a reboot in the middle is no failure: a program that the agent's end cut off is started again at the
    /// next start with `OMADM_RESUMED=1`, at most twice, and says itself what became of it.
    pub resume: bool,
    /// The leaves that the program may set while it runs.
    pub output: Vec<Output>,
    /// The leaf that gets what the program wrote to standard output, or what the method answered.
    pub result: Option<ExecResult>,
    /// The window in which it may begin; none: at any time.
    pub window: Option<Window>,
    /// Whether the machine's veto programs are asked first.
    pub veto: bool,
}

/// The number that `codes` has for an exit code; for a veto program's, which is [`VETO`] more, or [`ANY_VETO`] where it
/// has none, what is said of vetoes counts before what is said of that code.
#[must_use]
pub(crate) fn of_exit(codes: &[(i32, u16)], exit: i32) -> Option<u16> {
    let of = |exit: i32| codes.iter().find(|(code, _)| *code == exit).map(|(_, number)| *number);
    if exit < VETO {
        return of(exit);
    }
    of(exit).or_else(|| of(ANY_VETO)).or_else(|| of(exit - VETO))
}

impl Exec {
    /// The longest time that the call may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match &self.call {
            Call::Run(Program { timeout, .. }) | Call::Bus { timeout, .. } => *timeout,
            Call::File { .. } | Call::Store => TIMEOUT,
        }
    }
}

/// The alert that tells how an EXEC ended, beyond its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecAlert {
    /// Whether its source is the instance; else it is the node.
    pub of_object: bool,
    /// The thing that the alert is about; the braces stand for un-named nodes.
    pub target: Option<Template>,
    /// The data of the alert.
    pub data: AlertData,
    /// The numbers that it tells of exit codes.
    pub codes: Vec<(i32, u16)>,
    /// The number that it tells of all other failures; none: the EXEC's status.
    pub otherwise: Option<u16>,
    /// The mark where all went well.
    pub ok: Option<String>,
    /// The mark where it did not.
    pub failed: Option<String>,
    /// Whether the EXEC is answered 202 at once, and its end is told by the alert only.
    pub always: bool,
}

/// The form in which an alert tells a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AlertData {
    /// A result code: `{"ResultCode": 200}`.
    #[default]
    ResultCode,
    /// A number as in DM 1.x: `{"DM1x": 200}`.
    Dm1x,
    /// A text around the number: `{"DM1x": "…"}`.
    Text(Template),
}

/// A leaf that `output` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The key as written, by which the program calls the leaf.
    pub key: String,
    /// The path to the leaf.
    pub path: LeafPath,
}

/// `result`: the leaf that gets what the program or the method answered.
#[derive(Clone, Debug)]
pub struct ExecResult {
    /// The path to the leaf.
    pub path: LeafPath,
    /// The pipeline from the program's text to the leaf's value.
    pub pipeline: Pipeline,
}

/// `list`: how the children of an un-named node are found.
#[derive(Clone, Debug)]
pub struct List {
    /// The source of the names.
    pub from: ListFrom,
    /// The most children that are listed.
    pub max: usize,
    /// Whether listing takes root: the privileged helper does it.
    pub privileged: bool,
    /// What tells that a program would list others now; nothing: it is asked again now and then.
    pub watch: Vec<WatchEntry>,
}

/// The source of an un-named node's children.
#[derive(Clone, Debug)]
pub enum ListFrom {
    /// The paths that match; the name is the part that the first `*` matched.
    Glob(String),
    /// The records of a file, or of a program's output.
    Records {
        /// The place where the records are.
        place: RecordsPlace,
        /// The shape in which they are written.
        shape: RecordsShape,
    },
    /// The D-Bus objects of this name.
    Object(String),
}

/// The place of records.
#[derive(Clone, Debug)]
pub enum RecordsPlace {
    /// A file below the sysroot.
    File(Template),
    /// The standard output of a program.
    Run(Vec<Template>),
}

/// The shape of records, and what names a child.
#[derive(Clone, Debug)]
pub enum RecordsShape {
    /// A JSON array or object.
    Json {
        /// `select`: the steps to it.
        select: Vec<Select>,
        /// `key`: the member that names the child.
        key: Option<String>,
    },
    /// Lines, of which each is a record.
    Lines {
        /// `match`: lines that don't match are passed over; named groups are members of the record.
        matching: Option<Pattern>,
        /// `key`: the group that names the child; none: the first.
        key: Option<String>,
    },
}

impl List {
    /// Whether a record has this member (`item`), so far as the mapping tells.
    #[must_use]
    pub fn has_item(&self, name: &str) -> bool {
        match &self.from {
            ListFrom::Glob(_) => false,
            ListFrom::Object(_) | ListFrom::Records { shape: RecordsShape::Json { .. }, .. } => true,
            ListFrom::Records { shape: RecordsShape::Lines { matching, .. }, .. } => {
                matching.as_ref().is_some_and(|pattern| pattern.names().any(|group| group == name))
            }
        }
    }
}
