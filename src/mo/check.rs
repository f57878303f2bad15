//! Checks of a mapping against its DDF and, in [`against_machine`], against the machine it is on.

use std::cmp::Ordering;

use crate::ddf::{AccessType, Format, NodeName};
use crate::mo::builtin;
use crate::spanned::{Problem, Problems};

use super::fill::Variables;
use super::join::node_key;
use super::leaf_path::LeafPath;
use super::limit::{Bound, Limits, compare};
use super::mapping::{Call, Input, Key, NodeMapping, Pipeline, Sink, Source, SourceKind};
use super::object::{ManagementObject, Node, NodeId};
use super::object_files::ObjectFiles;
use super::pipeline::Passed;
use super::template::{Piece, Template};
use super::value::Value;

mod alarm;
mod doing;
mod exec;
mod head;
mod hidden;
mod lines;
mod list;
mod literal;
mod machine;
mod names;
mod nested;
mod program_text;
mod seed;
mod set_and_get;
mod shape;
mod shortest;
mod sources;
mod types;
mod values;
mod warnings;
mod words;

pub(super) use head::doubts;
pub(crate) use hidden::hidden;
pub(crate) use lines::to_keys;
pub(crate) use machine::{CheckTarget, against_machine, of_others, of_root_alone, unwritable};
pub(super) use seed::seeds;
pub(crate) use sources::acts;
pub(crate) use types::untyped;
pub(crate) use warnings::warnings;

/// Compares an object's mapping with its DDF, whose nodes stand on `ddf_lines`.
pub(super) fn check(
    object: &ManagementObject,
    files: &ObjectFiles<'_>,
    ddf_lines: &[usize],
    problems: &mut Problems,
) {
    // After a source that could not be read, to say that one is missing would only confuse.
    let sound = problems.is_empty();
    for id in object.ids() {
        let mut check = Check { object, files, id, node: object.node(id), problems };
        check.description(ddf_lines.get(id.index()).copied(), sound);
        if check.node.mapping.line > 0 {
            check.mapping();
        }
    }
}

struct Check<'a> {
    object: &'a ManagementObject,
    files: &'a ObjectFiles<'a>,
    id: NodeId,
    node: &'a Node,
    problems: &'a mut Problems,
}

/// The meanings that braces may have at one place.
#[derive(Clone, Copy)]
struct Braces {
    value: bool,
    own_name: bool,
}

impl Check<'_> {
    /// Checks the node's description, whether it is mapped or not.
    fn description(&mut self, line: Option<usize>, sound: bool) {
        let mut told = Vec::new();
        if !self.object.is_first(self.id) {
            told.push("is described twice below its parent: only one of a name, and one un-named".to_owned());
        }
        if matches!(&self.node.name, NodeName::Named(name) if name.contains('/')) {
            told.push("has a `/` in its name".to_owned());
        }
        if self.object.is_leaf(self.id) && !self.node.children.is_empty() {
            let format = self.node.properties.format.word();
            told.push(format!("has format {format} and nodes below it: expected format node"));
        }
        if let Some(default) = self.node.properties.default_value.as_deref().filter(|text| !text.is_empty())
            && self.object.is_leaf(self.id)
            && let Err(error) = Value::from_text(self.node.properties.format, default)
        {
            told.push(format!("has a DefaultValue that its format can't hold: {error}"));
        }
        if sound && self.lacks_source() {
            let instead = if self.files.is_described() {
                ", or give it a `default`, or say `occurs = \"?\"`"
            } else {
                ""
            };
            told.push(format!(
                "must have a value and nothing gives it one: write [{}] with `get`{instead}",
                node_key(&self.object.path(self.id))
            ));
        }
        let path = self.object.path(self.id);
        for what in told {
            let file = self.files.ddf.to_path_buf();
            self.problems.push(Problem { file, line, key: path.clone(), what });
        }
    }

    /// Whether the node is a readable leaf that must be there, that no server can write and nothing else gives a value.
    fn lacks_source(&self) -> bool {
        let properties = &self.node.properties;
        let writable =
            |access: AccessType| access.allows(AccessType::ADD) || access.allows(AccessType::REPLACE);
        let has_own = !self.node.mapping.get.is_empty()
            || properties.default_value.is_some()
            || writable(properties.access)
            || properties.format == Format::Null;
        let required = properties.occurrence.is_required() && !self.node.is_unnamed();
        let readable = properties.access.allows(AccessType::GET);
        if has_own || !required || !readable || !self.object.is_leaf(self.id) {
            return false;
        }
        // What a program says goes into it.
        if warnings::filled(self.object).contains(&self.id) {
            return false;
        }
        let seeded = self.object.instances.iter().any(|seed| seed.data.is_some());
        if self.object.dynamic || seeded {
            return false;
        }
        // Below a node that need not be there, or that a server adds, a value may come with it.
        let comes_with_parent = |node: &Node| {
            let optional = node.is_unnamed() || !node.properties.occurrence.is_required();
            node.mapping.list.is_none() && (optional || node.properties.access.allows(AccessType::ADD))
        };
        !self.object.lineage(self.id).skip(1).any(|node| node.parent.is_some() && comes_with_parent(node))
    }

    fn mapping(&mut self) {
        let mapping = &self.node.mapping;
        if !self.object.is_leaf(self.id) {
            self.interior(mapping);
        }
        if !self.node.is_unnamed() && (mapping.list.is_some() || mapping.add.is_some()) {
            self.problem("`list` and `add` are for un-named nodes: this one has a name of its own");
        }
        let access = self.node.properties.access;
        let may_write = access.allows(AccessType::REPLACE) || access.allows(AccessType::ADD);
        for (there, allowed, key, word) in [
            (mapping.set.is_some(), may_write, "set", "Replace or Add"),
            (mapping.add.is_some(), access.allows(AccessType::ADD), "add", "Add"),
            (mapping.delete.is_some(), access.allows(AccessType::DELETE), "delete", "Delete"),
            (mapping.exec.is_some(), access.allows(AccessType::EXEC), "exec", "Exec"),
        ] {
            if there && !allowed {
                let place = if self.files.is_described() { "`access`" } else { "the DDF" };
                self.problem(format!(
                    "`{key}` on a node whose AccessType has no {word}: remove it, or add that to {place}"
                ));
            }
        }
        self.inputs(mapping);
        for source in &mapping.get {
            self.source(source);
        }
        if let Some(sink) = &mapping.set {
            self.sink(sink);
            self.one_setting(sink, &mapping.get);
            if mapping.pin {
                self.problem("`pin` keeps the first value for good, and `set` could never change it: keep one of the two");
            }
        }
        self.calls(mapping);
        self.limits(&mapping.limits);
    }

    fn limits(&mut self, limits: &Limits) {
        let format = self.node.properties.format;
        for (side, bound) in limits.bounds() {
            let key = side.key();
            // A text of somebody else's description may well be a number.
            let is_described = self.files.is_described();
            let is_number = |format| match format {
                Format::Int | Format::Float => true,
                other => other == Format::Chr && !is_described,
            };
            if !is_number(format) && self.object.is_leaf(self.id) {
                self.problem(format!("`{key}` is for numbers, and the node has format {}", format.word()));
            }
            match bound {
                Bound::Number(_) => {}
                Bound::Leaf(path) => match path.find(self.object, self.id) {
                    None => self.problem(format!("`{key}`: there is no leaf `{path}`")),
                    Some(own) if own == self.id => {
                        self.problem(format!("`{key}`: `{path}` is this leaf itself, which is no limit"));
                    }
                    Some(leaf) => {
                        let format = self.object.node(leaf).properties.format;
                        if !is_number(format) {
                            let format = format.word();
                            self.problem(format!(
                                "`{key}`: `{path}` has format {format}: expected int or float"
                            ));
                        }
                    }
                },
                Bound::Source(source) => self.source(source),
            }
        }
        if let (Some(Bound::Number(min)), Some(Bound::Number(max))) = (&limits.min, &limits.max)
            && compare(min, max) == Some(Ordering::Greater)
        {
            self.problem(format!("`min` is {min} and `max` {max}: no value is between them"));
        }
        for one in &limits.one_of {
            if let Err(error) = Value::from_text(format, one) {
                self.problem(format!("`enum` has what format {} can't hold: {error}", format.word()));
            }
        }
        let default = self.node.properties.default_value.as_deref().filter(|text| !text.is_empty());
        if let Some(Err(why)) = default.map(|default| limits.admit(default)) {
            let place = if self.files.is_described() { "`default`" } else { "the DDF's DefaultValue" };
            self.problem(format!("{place}: {why}"));
        }
    }

    fn interior(&mut self, mapping: &NodeMapping) {
        let valued = !mapping.get.is_empty()
            || mapping.set.is_some()
            || mapping.pin
            || mapping.wait.is_some()
            || mapping.pattern.is_some()
            || mapping.max_len.is_some()
            || mapping.limits.bounds().next().is_some()
            || !mapping.limits.one_of.is_empty();
        if valued {
            self.problem(
                "an interior node has no value: `get`, `set`, `pin`, `wait`, `pattern`, `max-len`, `min`, `max` and `enum` are for leaves",
            );
        }
    }

    fn inputs(&mut self, mapping: &NodeMapping) {
        for Input { key, path, default } in &mapping.input {
            let Some(leaf) = path.find(self.object, self.id) else {
                let place =
                    if path.up == 1 && path.steps.len() == 1 { "beside this node" } else { "of this object" };
                self.problem(format!("`input` names {key:?}, which is no leaf {place}"));
                continue;
            };
            let format = self.object.node(leaf).properties.format;
            if let Some(Err(error)) = default.as_ref().map(|default| Value::from_text(format, default)) {
                self.problem(format!("`input`: the default of {key:?} does not fit its format: {error}"));
            }
        }
    }

    fn source(&mut self, source: &Source) {
        let braces = Braces { value: false, own_name: true };
        match &source.from {
            SourceKind::File { path, setting } => {
                self.path(path, "get.file", braces);
                self.key(setting.as_ref(), "get.key", braces);
            }
            SourceKind::Run(argv) => self.argv(argv, "get.run", braces),
            SourceKind::Method { args, .. } => {
                for argument in args {
                    self.braces(argument, "get.args", braces);
                }
            }
            SourceKind::Item(name) => {
                self.item(name);
                if !source.watch.is_empty() && !self.object.is_listed_by_program(self.id) {
                    self.problem("`watch` of an `item` is for what a `run` has listed: of any other list the agent knows by itself what tells of changes");
                }
            }
            SourceKind::Value(text) => self.constant(text, &source.pipeline),
            SourceKind::Builtin(name) if !builtin::known(name) => {
                self.problem(format!("there is no builtin {name:?}"));
            }
            _ => {}
        }
        self.pipeline(&source.pipeline, "get");
    }

    /// Checks a constant by putting it through its pipeline here and now.
    fn constant(&mut self, text: &str, pipeline: &Pipeline) {
        let format = self.node.properties.format;
        if !self.object.is_leaf(self.id) {
            return;
        }
        // Names are only known at run time: a constant that needs them is left alone.
        if let Ok(Passed::Value(text)) = pipeline.apply(text, format, &Variables::default())
            && let Err(error) = Value::from_text(format, &text)
        {
            self.problem(format!("the node has format {}: {error}", format.word()));
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline, key: &str) {
        let format = self.node.properties.format;
        let numeric = matches!(format, Format::Int | Format::Float | Format::Chr);
        if pipeline.scale.is_some() && !numeric {
            self.problem(format!("`{key}.scale` makes a number, which format {} can't hold", format.word()));
        }
        if let Some(template) = &pipeline.format {
            self.braces(template, &format!("{key}.format"), Braces { value: true, own_name: true });
            // Whatever the value is: with letters around it, it is no number.
            let around = template.0.iter().all(|piece| matches!(piece, Piece::Literal(_) | Piece::Value));
            let filled = template.fill_text(&Variables { value: Some("1"), ..Variables::default() });
            if let (true, Ok(text)) = (around && self.object.is_leaf(self.id), filled)
                && let Err(error) = Value::from_text(format, &text)
                && !matches!(format, Format::Bin | Format::B64)
            {
                self.problem(format!(
                    "`{key}.format` makes what format {} can't hold: {error}",
                    format.word()
                ));
            }
        }
        let dated = matches!(format, Format::Chr | Format::Date | Format::Time);
        if pipeline.time.is_some() && !dated && self.object.is_leaf(self.id) {
            self.problem(format!("`{key}.time` makes a date, which format {} can't hold", format.word()));
        }
        if pipeline.scale.is_none()
            && pipeline.time.is_none()
            && pipeline.format.is_none()
            && self.object.is_leaf(self.id)
        {
            let otherwise = pipeline.otherwise.iter().map(|to| ("otherwise", to));
            for (from, to) in pipeline.map.iter().map(|(from, to)| (from.as_str(), to)).chain(otherwise) {
                if let Err(error) = Value::from_text(format, to) {
                    self.problem(format!(
                        "`{key}.map`: {from:?} becomes what format {} can't hold: {error}",
                        format.word()
                    ));
                }
            }
        }
    }

    fn sink(&mut self, sink: &Sink) {
        if let Err(why) = sink.pipeline.invertible() {
            let takes_part = sink.pipeline.matching.is_some() || !sink.pipeline.select.is_empty();
            let advice = match &sink.to {
                Call::File { setting: None, .. } if takes_part => {
                    "write the one setting of the file, with `key`"
                }
                _ if !takes_part && !sink.pipeline.map.is_empty() => {
                    "give `set` a `map` of its own, with one entry for each value"
                }
                _ => "give `set` a pipeline of its own, such as format = \"{}\"",
            };
            self.problem(format!("`set` can't run the pipeline of `get` backwards: {why}; {advice}"));
        }
        self.pipeline(&sink.pipeline, "set");
        self.call(&sink.to, "set", Braces { value: true, own_name: true });
    }

    fn calls(&mut self, mapping: &NodeMapping) {
        let no_value = Braces { value: false, own_name: true };
        if let Some(call) = &mapping.add {
            // The child is made before it gets a value.
            self.call(call, "add", no_value);
        }
        if let Some(call) = &mapping.delete {
            self.call(call, "delete", no_value);
        }
        if let Some(exec) = &mapping.exec {
            self.exec(exec);
        }
        if let Some(list) = &mapping.list {
            self.list(list);
        }
    }

    /// Checks that `set` writes what `get` reads of a file: one setting, or all of it.
    fn one_setting(&mut self, sink: &Sink, get: &[Source]) {
        let Call::File { path, setting, .. } = &sink.to else { return };
        for source in get {
            let SourceKind::File { path: read, setting: of } = &source.from else { continue };
            let picks = !source.pipeline.select.is_empty() || source.pipeline.matching.is_some();
            let (whole, part) = match (of.is_some(), setting.is_some()) {
                (true, false) => ("set", "get"),
                (false, true) if !picks => ("get", "set"),
                _ => continue,
            };
            if read == path {
                self.problem(format!(
                    "`{whole}` is all of {path}, and `{part}` one setting of it: write the `key` in both"
                ));
            }
        }
    }

    fn call(&mut self, call: &Call, key: &str, braces: Braces) {
        match call {
            Call::File { path, setting, .. } => {
                let braces = Braces { value: false, ..braces };
                self.path(path, &format!("{key}.file"), braces);
                self.key(setting.as_ref(), &format!("{key}.key"), braces);
            }
            Call::Run(program) => self.argv(&program.argv, &format!("{key}.run"), braces),
            Call::Bus { args, .. } => {
                for argument in args {
                    self.braces(argument, &format!("{key}.args"), braces);
                }
            }
            Call::Store => {}
        }
    }

    fn path(&mut self, path: &Template, key: &str, braces: Braces) {
        if !path.literal_start().starts_with('/') {
            self.problem(format!("`{key}`: expected an absolute path"));
        }
        self.braces(path, key, braces);
    }

    fn key(&mut self, setting: Option<&Key>, key: &str, braces: Braces) {
        for name in setting.iter().flat_map(|setting| setting.templates()) {
            self.braces(name, key, braces);
        }
    }

    fn argv(&mut self, argv: &[Template], key: &str, braces: Braces) {
        let program = argv.first().and_then(Template::literal);
        if program.is_none_or(|program| !program.starts_with('/')) {
            self.problem(format!("`{key}`: the program must be an absolute path without braces"));
        }
        if let Some((name, text)) = program_text::program_text(argv)
            && text.literal().is_none()
        {
            self.problem(format!(
                "`{key}`: what the braces in {text} stand for would be read as commands: give it to `{name}` as an \
                 argument, as in [\"/bin/sh\", \"-c\", 'echo \"$1\"', \"sh\", \"{{../Url}}\"]"
            ));
        }
        for argument in argv {
            self.braces(argument, key, braces);
        }
    }

    fn braces(&mut self, template: &Template, key: &str, allowed: Braces) {
        let skip = usize::from(!allowed.own_name);
        let labels: Vec<&str> = self.object.lineage(self.id).skip(skip).filter_map(Node::label).collect();
        for piece in &template.0 {
            match piece {
                Piece::Value if !allowed.value => {
                    self.problem(format!("`{key}`: there is no value that `{{}}` could stand for"));
                }
                Piece::Leaf(path) if key.starts_with("get") || key.starts_with("list") => {
                    self.problem(format!(
                        "`{key}`: `{{{path}}}` has no value here: what reads is not told of other leaves"
                    ));
                }
                Piece::Variable(name) if !labels.contains(&name.as_str()) => {
                    let known: Vec<String> = labels.iter().map(|label| format!("{{{label}}}")).collect();
                    let known = if known.is_empty() { "none here".to_owned() } else { known.join(", ") };
                    self.problem(format!("`{key}`: no variable `{{{name}}}`; there are: {known}"));
                }
                Piece::Leaf(path) if self.node.mapping.input.iter().all(|input| input.path != *path) => {
                    self.problem(self.unlisted(key, path));
                }
                _ => {}
            }
        }
    }

    /// The problem of braces that stand for a leaf which `input` does not list.
    fn unlisted(&self, key: &str, path: &LeafPath) -> String {
        let shortest = path.clone().shortest(self.object, self.id);
        if shortest != *path {
            return format!("`{key}`: write `{{{shortest}}}` for `{{{path}}}`");
        }
        let text = path.to_string();
        let listed = text.strip_prefix("../").unwrap_or(&text);
        format!("`{key}`: `{{{path}}}` needs {listed:?} to be listed in `input`")
    }

    fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(Problem {
            file: self.files.mapping.to_path_buf(),
            line: Some(self.node.mapping.line),
            key: node_key(&self.object.path(self.id)),
            what: what.into(),
        });
    }
}
