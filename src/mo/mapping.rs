//! A mapping file's content: where a node's value comes from and goes to.

use std::time::Duration;

use regex_lite::Regex;

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

pub(super) use description::Description;
pub(crate) use read::bus_objects;
pub(super) use read::{HeadLines, MappingFile, SeedEntry};
pub(crate) use source::sources;

pub(crate) use super::leaf_path::LeafPath;
pub(crate) use super::limit::Limits;
pub(crate) use super::pipeline::{Pipeline, TimeUnit};
pub(crate) use super::select::Select;
pub(crate) use super::setting::Setting;
pub(crate) use super::source::{Source, SourceKind};
pub(crate) use super::template::{Piece, Template};
pub(crate) use super::window::Window;

const TIMEOUT: Duration = Duration::from_secs(60);

/// A D-Bus object, named once in `[object.NAME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusObject {
    /// The bus name.
    pub name: String,
    /// The object's path; may hold one `*`.
    pub path: String,
    /// The interface.
    pub interface: String,
}

/// What `[node."…"]` says. The default is a node without a mapping: its value is in the store.
#[derive(Clone, Debug, Default)]
pub struct NodeMapping {
    /// Where it stands in the mapping file; 0 if nowhere.
    pub line: usize,
    /// Sources in order of preference; empty: the store.
    pub get: Vec<Source>,
    /// Where a server's value goes.
    pub set: Option<Sink>,
    /// How a child that a server adds comes about.
    pub add: Option<Call>,
    /// How a child that a server deletes goes.
    pub delete: Option<Call>,
    /// The names of an un-named node's children.
    pub list: Option<List>,
    /// What EXEC does.
    pub exec: Option<Exec>,
    /// Keep the first definitive answer.
    pub pin: bool,
    /// Give a better source this long after the agent's start.
    pub wait: Option<Duration>,
    /// What the whole value must match.
    pub pattern: Option<Regex>,
    /// The longest value in bytes.
    pub max_len: Option<usize>,
    /// `min`, `max`, `enum`
    pub limits: Limits,
    /// How long a written value is read back; none: not at all.
    pub verify: Option<Duration>,
    /// Other leaves that programs and braces are given.
    pub input: Vec<Input>,
}

/// A leaf that `input` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As written: what programs know it by.
    pub key: String,
    /// Where it is.
    pub path: LeafPath,
    /// What counts where it has no value.
    pub default: Option<String>,
}

/// Where a value goes to.
#[derive(Clone, Debug)]
pub struct Sink {
    /// The outside effect.
    pub to: Call,
    /// Inverted when the value is written.
    pub pipeline: Pipeline,
}

/// An outside effect.
#[derive(Clone, Debug)]
pub enum Call {
    /// A file below the sysroot is written.
    File {
        /// Its path.
        path: Template,
        /// `key`: the one setting of it that is meant; none: all of it.
        setting: Option<Setting>,
        /// Takes root. No helper writes it in this version: what the agent may not do is refused for that reason.
        privileged: bool,
    },
    /// A program is run.
    Run(Program),
    /// A D-Bus property is set, or a method called.
    Bus {
        /// `object`
        object: String,
        /// `property`, or `method`
        member: String,
        /// True for a method.
        method: bool,
        /// `args`
        args: Vec<Template>,
        /// When a method is given up.
        timeout: Duration,
        /// Takes root. No helper calls it in this version: what the agent may not do is refused for that reason.
        privileged: bool,
    },
    /// Kept by the agent.
    Store,
}

/// A program to run: never through a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// argv; braces are filled in after it was split.
    pub argv: Vec<Template>,
    /// The user it should run as. In this version it runs as the agent does; `root` is refused where that is not root.
    pub user: String,
    /// When it is killed.
    pub timeout: Duration,
}

/// `exec`
#[derive(Clone, Debug)]
pub struct Exec {
    /// What is called.
    pub call: Call,
    /// Exit code → status code (1000–1999).
    pub codes: Vec<(i32, u16)>,
    /// Run when the session has ended.
    pub after_session: bool,
    /// The type of the alert that reports an asynchronous end.
    pub alert_type: String,
    /// `alert`: what else that alert is; none: the node is its source, and the status its data.
    pub alert: Option<ExecAlert>,
    /// A reboot in the middle is not a failure: a program that the agent's end cut off is started again at the next
    /// start with `OMADM_RESUMED=1`, at most twice, and says itself what became of it.
    pub resume: bool,
    /// Leaves that the program may set while it runs.
    pub output: Vec<Output>,
    /// The leaf that gets what the program wrote to standard output, or what the method answered.
    pub result: Option<ExecResult>,
    /// When it may begin; none: at any time.
    pub window: Option<Window>,
    /// Whether the machine's veto programs are asked first.
    pub veto: bool,
}

impl Exec {
    /// How long it may take.
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
    /// Its source is the instance, not the node.
    pub of_object: bool,
    /// What it is about; its braces stand for un-named nodes.
    pub target: Option<Template>,
    /// Its data.
    pub data: AlertData,
    /// Exit code → the number that it tells.
    pub codes: Vec<(i32, u16)>,
    /// What it tells of all other failures; none: the EXEC's status.
    pub otherwise: Option<u16>,
    /// Its mark where all went well.
    pub ok: Option<String>,
    /// Its mark where it did not.
    pub failed: Option<String>,
    /// The EXEC is answered 202 at once, and its end is told by the alert only.
    pub always: bool,
}

/// In which form an alert tells a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AlertData {
    /// `{"ResultCode": 200}`
    #[default]
    ResultCode,
    /// `{"DM1x": 200}`
    Dm1x,
    /// `{"DM1x": "…"}`: a text around the number.
    Text(Template),
}

/// A leaf that `output` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// As written: what the program calls it.
    pub key: String,
    /// Where it is.
    pub path: LeafPath,
}

/// `result`
#[derive(Clone, Debug)]
pub struct ExecResult {
    /// Where the leaf is.
    pub path: LeafPath,
    /// From the program's text to the leaf's value.
    pub pipeline: Pipeline,
}

/// `list`: how the children of an un-named node are found.
#[derive(Clone, Debug)]
pub struct List {
    /// Where the names come from.
    pub from: ListFrom,
    /// The most children.
    pub max: usize,
}

/// Where an un-named node's children come from.
#[derive(Clone, Debug)]
pub enum ListFrom {
    /// Paths that match; the name is the part that the first `*` matched.
    Glob(String),
    /// Records: a file's, or those of a program's output.
    Records {
        /// Where they are.
        place: RecordsPlace,
        /// How they are written.
        shape: RecordsShape,
    },
    /// D-Bus objects.
    Object(String),
}

/// Where records are.
#[derive(Clone, Debug)]
pub enum RecordsPlace {
    /// A file below the sysroot.
    File(Template),
    /// A program's standard output.
    Run(Vec<Template>),
}

/// How records are written, and what names a child.
#[derive(Clone, Debug)]
pub enum RecordsShape {
    /// A JSON array or object.
    Json {
        /// `select`: steps to it.
        select: Vec<Select>,
        /// `key`: the member that names the child.
        key: Option<String>,
    },
    /// A record a line.
    Lines {
        /// `match`: lines that don't match are passed over; named groups are members of the record.
        matching: Option<Regex>,
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
            ListFrom::Records { shape: RecordsShape::Lines { matching, .. }, .. } => matching
                .as_ref()
                .is_some_and(|regex| regex.capture_names().flatten().any(|group| group == name)),
        }
    }
}
