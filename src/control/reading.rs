//! Reading on this machine, for `mo read` and `mo check --read`: every source of an object's leaves is asked once, and
//! what each says is shown.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::findings::Findings;
use super::folder::named;
use super::marks::{self, Marks, shown};
use super::terminal::{Terminal, printable};
use crate::backend::{
    self, Answer, BackendError, Builtins, Bus, BusMember, Child, Context, Machine, Request, Seen,
};
use crate::base::OneByOne as _;
use crate::ddf::{AccessType, Format};
use crate::mo::alarm::Alarm;
use crate::mo::fill::Variables;
use crate::mo::limit::Bound;
use crate::mo::mapping::{Call, ListFrom, Source, SourceKind};
use crate::mo::{self, ManagementObject, Node, NodeId, Value};
use crate::spanned::Problems;

/// The tree of an object: what was found in it.
pub(super) struct ShownTree<'a> {
    object: &'a ManagementObject,
    rows: Vec<Row>,
    /// Whether a source, a limit or a list failed, and not just had nothing.
    pub(super) has_failed: bool,
}

/// The row of a node: what was found there.
struct Row {
    /// The number of nodes above it, the root not counted.
    depth: usize,
    /// The path below the root, as servers have it.
    path: String,
    state: NodeContent,
    /// The sources that were asked and did not answer with the value, each with its reason.
    passed_over: Vec<(String, String)>,
    /// The limits that were read, each with what it is or why there is none.
    limits: Vec<(&'static str, String)>,
    /// What is hardly meant by what was read, and what D-Bus objects say of the members that the mapping names, each by
    /// its key.
    doubts: Marks,
}

enum NodeContent {
    Interior,
    Value(Value),
    /// No value, for this reason; none where the sources say why.
    Missing(Option<String>),
}

/// The way to a node, by which sources are filled in.
#[derive(Clone, Default)]
struct Way {
    depth: usize,
    path: String,
    /// The label and captured name of each un-named node.
    names: Vec<(String, String)>,
    /// The D-Bus objects that they stand for.
    listed: Vec<(String, String)>,
    /// The item of each of their listings.
    items: Vec<Option<Arc<Json>>>,
}

struct Reading<'a> {
    object: &'a ManagementObject,
    machine: &'a Machine,
    seen: Seen,
    rows: Vec<Row>,
    has_failed: bool,
    /// The leaves that have been read, and those of them that had a value.
    leaves: (BTreeSet<NodeId>, BTreeSet<NodeId>),
    /// The nodes whose D-Bus objects have been asked what they have.
    asked: BTreeSet<NodeId>,
}

/// Prints the values that the objects in these folders have on this machine; returns whether all could be read.
pub(super) fn show<O: Write, E: Write>(
    folders: &[PathBuf],
    sysroot: &Path,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let (mut objects, mut problems) = (Vec::new(), Problems::default());
    for folder in folders {
        let Some(folder) = named(folder, &mut problems) else { continue };
        objects.extend(mo::load::load_one(&folder, &mut problems).map(Arc::new));
    }
    let findings = Findings::complained(&problems, terminal)?;
    let trees = match ShownTree::read(&objects, sysroot) {
        Ok(trees) => trees,
        Err(why) => return terminal.fail("Failed", &why, as_json),
    };
    let is_well = objects.len() == folders.len();
    if as_json {
        let objects = ShownTree::to_json(&trees);
        return terminal.answer(is_well, json!({ "objects": objects, "findings": findings.to_json() }));
    }
    ShownTree::show(&trees, &mut terminal.out)?;
    terminal.out.flush()?;
    Ok(is_well)
}

impl<'a> ShownTree<'a> {
    /// Reads what these objects say on this machine; or says why none can be read.
    pub(super) fn read(objects: &'a [Arc<ManagementObject>], sysroot: &Path) -> Result<Vec<Self>, String> {
        if !sysroot.is_dir() {
            return Err(format!("--sysroot: {} is no folder", sysroot.display()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let machine = Machine::new(sysroot.to_path_buf(), Arc::new(Bus::new("system")));
        let read = |object: &'a Arc<ManagementObject>| {
            let Reading { rows, has_failed, .. } = runtime.block_on(read(object, &machine));
            Self { object, rows, has_failed }
        };
        let trees = objects.iter().map(read).collect();
        // What hangs outside does not keep the answer.
        runtime.shutdown_background();
        Ok(trees)
    }

    /// Prints the trees, with a line between two.
    pub(super) fn show(trees: &[Self], out: &mut impl Write) -> io::Result<()> {
        for (number, Self { object, rows, .. }) in trees.iter().enumerate() {
            let gap = if number > 0 { "\n" } else { "" };
            let mut text = Vec::new();
            writeln!(text, "{gap}{} {}", object.root_name, object.moid)?;
            rows.iter().try_for_each(|row| row.show(&mut text))?;
            out.write_all(printable(&String::from_utf8_lossy(&text)).as_bytes())?;
        }
        Ok(())
    }

    /// The trees as JSON, for programs.
    pub(super) fn to_json(trees: &[Self]) -> Json {
        let tree = |Self { object, rows, .. }: &Self| {
            let nodes: Vec<Json> = rows.iter().map(Row::to_json).collect();
            json!({ "moid": object.moid.to_string(), "nodes": nodes })
        };
        trees.iter().map(tree).collect()
    }
}

/// Reads an object's leaves on this machine, in the order of its description.
async fn read<'a>(object: &'a ManagementObject, machine: &'a Machine) -> Reading<'a> {
    let mut reading = Reading {
        object,
        machine,
        seen: Seen::default(),
        rows: Vec::new(),
        has_failed: false,
        leaves: Default::default(),
        asked: BTreeSet::new(),
    };
    reading.below(ManagementObject::ROOT, &Way::default()).await;
    reading.alarms();
    reading
}

/// The builtins where there is no session and no account.
struct Nobody;

impl Builtins for Nobody {
    fn get(&self, name: &str) -> Answer<String> {
        Answer::Absent(format!("{name} is known to the running agent only"))
    }
}

impl Reading<'_> {
    async fn below(&mut self, parent: NodeId, way: &Way) {
        for id in self.object.children(parent).to_vec() {
            let node = self.object.node(id);
            if node.is_unnamed() {
                let label = node.label().unwrap_or("x").to_owned();
                self.listed(id, &label, way).await;
            } else {
                self.node(id, way.to(node.own_name())).await;
            }
        }
    }

    async fn node(&mut self, id: NodeId, way: Way) {
        if self.object.is_leaf(id) {
            self.leaf(id, &way).await;
            self.limits(id, &way).await;
            self.members(id, &way).await;
        } else {
            self.push(&way, NodeContent::Interior, Vec::new());
            self.members(id, &way).await;
            Box::pin(self.below(id, &way)).await;
        }
    }

    async fn listed(&mut self, id: NodeId, label: &str, way: &Way) {
        let missing = way.to(&format!("<{label}>"));
        let Some(list) = &self.object.node(id).mapping.list else {
            let why = "no `list`: its children are those that servers add".to_owned();
            return self.push(&missing, NodeContent::Missing(Some(why)), Vec::new());
        };
        let client_uri = self.client_uri(&missing);
        let found = backend::list(list, &self.context(way, &client_uri)).await;
        let children = match found {
            Ok(Answer::Value(children)) => children,
            other => {
                self.has_failed |= other.is_err();
                return self.push(
                    &missing,
                    NodeContent::Missing(Some(format!("`list`: {}", told(other)))),
                    Vec::new(),
                );
            }
        };
        let noted = marks::of_list(list, children.len(), &self.context(way, &client_uri)).await;
        if children.is_empty() || noted.is_some() {
            let why = noted.unwrap_or_else(|| "the list is empty".to_owned());
            self.push(&missing, NodeContent::Missing(Some(why)), Vec::new());
        }
        for Child { name, captured, item } in children {
            let mut way = way.to(&name);
            way.names.push((label.to_owned(), captured.clone()));
            way.items.push(item);
            if let ListFrom::Object(object) = &list.from {
                way.listed.push((object.clone(), captured));
            }
            Box::pin(self.node(id, way)).await;
        }
    }

    async fn leaf(&mut self, id: NodeId, way: &Way) {
        let node = self.object.node(id);
        let missing = |why: &str| NodeContent::Missing(Some(why.to_owned()));
        if !node.properties.access.allows(AccessType::GET) {
            return self.push(way, missing("no `<Get/>`: servers can't read it"), Vec::new());
        }
        if node.mapping.get.is_empty() {
            let state = match &node.properties.default_value {
                Some(default) => NodeContent::Value(Value::Text(default.clone())),
                None => missing("kept by the agent: what a server sets"),
            };
            let is_empty = matches!(&state, NodeContent::Value(value) if value.is_empty());
            let why = is_empty.then(|| ("`default`".to_owned(), "empty".to_owned()));
            return self.push(way, state, why.into_iter().collect());
        }
        let (client_uri, format) = (self.client_uri(way), node.properties.format);
        let default = node.properties.default_value.as_deref();
        let default = default.and_then(|text| Value::from_text(format, text).ok());
        let (mut state, mut passed_over) = (NodeContent::Missing(None), Vec::new());
        let mut noted = Marks::new();
        self.leaves.0.insert(id);
        for source in &node.mapping.get {
            let context = Context { stored: default.as_ref(), ..self.context(way, &client_uri) };
            let name = source.from.named(&Variables { names: &way.names, ..Variables::default() });
            // To look must change nothing.
            if matches!(&source.from, SourceKind::Method { method, .. } if mo::check::acts(method)) {
                passed_over.push((name, "not called: it seems to do something".to_owned()));
                continue;
            }
            match backend::read_source(source, format, &context).await {
                Ok(Answer::Value(reading)) if !reading.value.is_empty() => {
                    noted = marks::of_value(&node.mapping, format, source, &reading.value);
                    state = NodeContent::Value(reading.value);
                    self.leaves.1.insert(id);
                    break;
                }
                Ok(Answer::Value(_)) => passed_over.push((name, "empty".to_owned())),
                other => {
                    self.has_failed |= other.is_err();
                    let why = told(other);
                    // Most begin with what they are about.
                    let why = why.replacen(&format!(": {name}: "), ": ", 1);
                    passed_over.push((name, why));
                }
            }
        }
        self.push(way, state, passed_over);
        self.note(noted);
    }

    /// Notes something of the row that was pushed last.
    fn note(&mut self, noted: Marks) {
        if let Some(row) = self.rows.last_mut() {
            row.doubts.extend(noted);
        }
    }

    /// Reads the limits of the leaf that was read last.
    async fn limits(&mut self, id: NodeId, way: &Way) {
        let client_uri = self.client_uri(way);
        let mut limits = Vec::new();
        for (side, bound) in self.object.node(id).mapping.limits.bounds() {
            let answer = match bound {
                Bound::Number(_) => continue,
                Bound::Source(source) => {
                    backend::read_source(source, Format::Chr, &self.context(way, &client_uri)).await
                }
                Bound::Leaf(path) => {
                    let Some(leaf) = path.find(self.object, id) else { continue };
                    let Node { mapping, properties, .. } = self.object.node(leaf);
                    let default = properties.default_value.as_deref();
                    let default = default.and_then(|text| Value::from_text(properties.format, text).ok());
                    let unnamed = self.object.lineage(leaf).filter(|node| node.is_unnamed()).count();
                    let way = way.up_to(unnamed);
                    let context = Context { stored: default.as_ref(), ..self.context(&way, &client_uri) };
                    match backend::read(mapping, properties.format, false, &context).await {
                        Ok(Answer::Absent(_)) if mapping.is_kept() => {
                            limits.push((
                                side.key(),
                                format!("{path}, which limits nothing until a server sets it"),
                            ));
                            continue;
                        }
                        answer => answer,
                    }
                }
            };
            let said = match answer {
                Ok(Answer::Value(reading)) if !reading.value.is_empty() => {
                    let said = shown(&reading.value);
                    let is_number = said.parse::<f64>().is_ok();
                    self.has_failed |= !is_number;
                    if is_number { said } else { format!("{said} is no number: no change is let pass") }
                }
                other => {
                    self.has_failed = true;
                    let why = told(other);
                    format!("{}: no change is let pass", if why.is_empty() { "empty" } else { why.as_str() })
                }
            };
            limits.push((side.key(), said));
        }
        let noted = marks::of_limits(&self.object.node(id).mapping, &limits);
        if let Some(row) = self.rows.last_mut() {
            row.limits = limits;
            row.doubts.extend(noted);
        }
    }

    /// Compares the D-Bus members that a node's mapping names with what their objects say of themselves, once a node.
    async fn members(&mut self, id: NodeId, way: &Way) {
        let mapping = &self.object.node(id).mapping;
        let source = |source: &'_ Source| match &source.from {
            SourceKind::Property { object, property } => {
                Some(("get", object.clone(), property.clone(), MemberUse::Read))
            }
            SourceKind::Method { object, method, args } => {
                Some(("get", object.clone(), method.clone(), MemberUse::Called(args.len())))
            }
            _ => None,
        };
        let call = |(key, call): (&'static str, &Call)| match call {
            Call::Bus { object, member, method, args, .. } => {
                let meant = if *method { MemberUse::Called(args.len()) } else { MemberUse::Set };
                Some((key, object.clone(), member.clone(), meant))
            }
            _ => None,
        };
        let named: Vec<_> =
            mapping.get.iter().filter_map(source).chain(mapping.calls().filter_map(call)).collect();
        if named.is_empty() || !self.asked.insert(id) {
            return;
        }
        let client_uri = self.client_uri(way);
        let mut doubts = Vec::new();
        for (key, object, name, meant) in &named {
            let member = match meant {
                MemberUse::Read => BusMember::Property { name, is_set: false },
                MemberUse::Set => BusMember::Property { name, is_set: true },
                MemberUse::Called(args) => BusMember::Method { name, args: *args },
            };
            let doubt = backend::bus_doubt(object, member, &self.context(way, &client_uri)).await;
            doubts.extend(doubt.map(|doubt| (*key, doubt)));
        }
        self.has_failed |= !doubts.is_empty();
        self.note(doubts);
    }

    /// Tells of alarms whose leaf has no value anywhere, so that they tell nothing.
    fn alarms(&mut self) {
        let (read, with_value) = &self.leaves;
        let is_mute = |alarm: &&Alarm| read.contains(&alarm.at) && !with_value.contains(&alarm.at);
        let mute = self.object.alarms.iter().filter(is_mute);
        let row = |alarm: &Alarm| Row {
            path: format!("[alarm.{}]", alarm.name),
            ..Row::of(NodeContent::Missing(Some(format!(
                "tells nothing: {} has no value",
                self.object.path(alarm.at)
            ))))
        };
        let rows: Vec<Row> = mute.map(row).collect();
        self.rows.extend(rows);
    }

    fn push(&mut self, way: &Way, state: NodeContent, passed_over: Vec<(String, String)>) {
        let depth = way.depth.saturating_sub(1);
        self.rows.push(Row { depth, path: way.path.clone(), passed_over, ..Row::of(state) });
    }

    fn client_uri(&self, way: &Way) -> String {
        let miid = self.object.instances.first().map_or("1", |seed| seed.miid.as_str());
        format!("{}/{miid}/{}", self.object.moid, way.path)
    }

    fn context<'c>(&'c self, way: &'c Way, client_uri: &'c String) -> Context<'c> {
        Context {
            machine: self.machine,
            node: None,
            objects: &self.object.objects,
            listed: &way.listed,
            seen: Some(&self.seen),
            expectant: false,
            names: &way.names,
            given: &[],
            item: way.items.last().and_then(Option::as_deref),
            stored: None,
            builtins: &Nobody,
            request: Request {
                node: client_uri,
                moid: Some(&self.object.moid),
                miid: "1",
                ..Request::default()
            },
        }
    }
}

/// What a mapping does with a member of a D-Bus object.
enum MemberUse {
    Read,
    Set,
    /// Called with so many arguments.
    Called(usize),
}

impl Way {
    /// The way as it is below so many un-named nodes.
    fn up_to(&self, unnamed: usize) -> Self {
        let mut way = self.clone();
        way.names.truncate(unnamed);
        way.items.truncate(unnamed);
        way
    }

    fn to(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { depth: self.depth + 1, path, ..self.clone() }
    }
}

/// Why there is no value.
fn told<T>(said: Result<Answer<T>, BackendError>) -> String {
    match said {
        Ok(Answer::Value(_)) => String::new(),
        Ok(Answer::Absent(why)) => format!("absent: {why}"),
        Ok(Answer::Unavailable(why)) => format!("unavailable: {why}"),
        Err(error) => format!("failed: {error}"),
    }
}

impl Row {
    fn of(state: NodeContent) -> Self {
        let (passed_over, limits, doubts) = Default::default();
        Self { depth: 0, path: String::new(), state, passed_over, limits, doubts }
    }

    /// Prints a line for the node, and one for each source that had no value.
    fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let indent = "  ".repeat(self.depth);
        let name = self.path.rsplit('/').next().unwrap_or_default();
        match &self.state {
            NodeContent::Interior => writeln!(out, "{indent}{name}/")?,
            NodeContent::Value(value) => writeln!(out, "{indent}{name} = {}", shown(value))?,
            NodeContent::Missing(Some(why)) => writeln!(out, "{indent}{name}: {why}")?,
            NodeContent::Missing(None) => writeln!(out, "{indent}{name}: no source has a value")?,
        }
        for (source, why) in &self.passed_over {
            writeln!(out, "{indent}    {source}: {why}")?;
        }
        for (key, said) in self.limits.iter().chain(&self.doubts) {
            writeln!(out, "{indent}    {key}: {said}")?;
        }
        Ok(())
    }

    /// The row as JSON, for programs.
    fn to_json(&self) -> Json {
        let passed_over: Vec<Json> =
            self.passed_over.iter().map(|(source, why)| json!({ "source": source, "why": why })).collect();
        let object = |pairs: &[(&str, String)]| -> Json {
            let pair = |(key, said): &(&str, String)| ((*key).to_owned(), said.as_str().into());
            Json::Object(pairs.iter().map(pair).one_by_one())
        };
        let (limits, doubts) = (object(&self.limits), object(&self.doubts));
        let (value, why) = match &self.state {
            NodeContent::Interior => (Json::Null, None),
            NodeContent::Value(value) => (Json::from(value.to_text()), None),
            NodeContent::Missing(why) => {
                (Json::Null, Some(why.as_deref().unwrap_or("no source has a value")))
            }
        };
        json!({
            "path": self.path,
            "leaf": !matches!(self.state, NodeContent::Interior),
            "value": value,
            "why": why,
            "passedOver": passed_over,
            "limits": limits,
            "doubts": doubts,
        })
    }
}
