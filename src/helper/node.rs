//! The node of an operation: what it is told of it holds only as far as the machine says the same.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::object::check_program;
use super::outcome::Failure;
use super::rules::Rules;
use super::walk::walk;
use super::{effects, file};
use crate::backend::{self, Answer, Builtins, Child, Context, Machine, Request};
use crate::base::Order as _;
use crate::helper_protocol::{HelperOp, Verb, code};
use crate::mo::admit::{Unfit, admit};
use crate::mo::given::{Given, GivenValue};
use crate::mo::mapping::{List, ListFrom, NodeMapping, RecordsPlace};
use crate::mo::{ManagementObject, NodeId, Value};
use crate::uri::{ServerId, encode_name};

/// A node, and what may be told to what works for it.
pub(super) struct NodeAt<'a> {
    pub(super) object: &'a ManagementObject,
    pub(super) id: NodeId,
    pub(super) machine: &'a Machine,
    pub(super) rules: &'a Rules,
    server_id: ServerId,
    client_uri: String,
    miid: String,
    names: Vec<(String, String)>,
    listed: Vec<(String, String)>,
    item: Option<Json>,
    given: Vec<Given>,
    pub(super) resumed: bool,
}

/// Nobody: there is no session here.
struct Nobody;

impl Builtins for Nobody {
    fn get(&self, name: &str) -> Answer<String> {
        Answer::Absent(format!("{name} is known to the agent only"))
    }
}

impl<'a> NodeAt<'a> {
    /// Finds the node that an operation is about. What variables stand for is looked up anew; `is_new`: but for the
    /// node itself, which is to be added.
    ///
    /// # Errors
    /// There is none such, or a value is not one that it may have.
    pub(super) async fn find(
        op: &HelperOp,
        server: &str,
        is_new: bool,
        (object, machine, rules): (&'a Arc<ManagementObject>, &'a Machine, &'a Rules),
    ) -> Result<Self, Failure> {
        let is_it = |id: &NodeId| object.path(*id) == op.node;
        let found = object.ids().find(is_it);
        let id =
            found.ok_or_else(|| Failure::not_found(format!("{} has no node {:?}", object.moid, op.node)))?;
        if !(server.is_empty() || is_name(server)) {
            return Err(Failure::unfit("server is no name"));
        }
        if !(op.miid.is_empty() || may_be_instance(object, &op.miid)) {
            return Err(Failure::unfit(format!("{} has no instance {:?}", object.moid, op.miid)));
        }
        let mut node = Self {
            object,
            id: ManagementObject::ROOT,
            machine,
            rules,
            server_id: server.into(),
            client_uri: format!("{}/{}", object.moid, op.miid),
            miid: op.miid.clone(),
            names: Vec::new(),
            listed: Vec::new(),
            item: None,
            given: Vec::new(),
            resumed: op.resumed,
        };
        let mut way: Vec<NodeId> = std::iter::successors(Some(id), |id| object.node(*id).parent).collect();
        way.pop();
        let mut vars = op.vars.clone();
        while let Some(step) = way.pop() {
            let is_target = step == id;
            let is_listing = is_target && op.op == Verb::List;
            node.step(step, &mut vars, is_new && is_target, is_listing).await?;
        }
        if let Some((label, _)) = vars.pop_first() {
            return Err(Failure::unfit(format!("the node has no variable {{{label}}}")));
        }
        node.take_input(&op.input).await?;
        Ok(node)
    }

    /// Goes down to a child.
    async fn step(
        &mut self,
        id: NodeId,
        vars: &mut BTreeMap<String, String>,
        is_new: bool,
        is_listing: bool,
    ) -> Result<(), Failure> {
        let node = self.object.node(id);
        self.id = id;
        if is_listing {
            return Ok(());
        }
        let name = match node.label() {
            None if node.is_unnamed() => {
                return Err(Failure::refused("its un-named node has no label in the mapping"));
            }
            None => node.own_name().to_owned(),
            Some(label) => {
                let missing = || Failure::unfit(format!("{{{label}}} has no value"));
                let captured = vars.remove(label).ok_or_else(missing)?;
                // A file that is made is none that shells and services overlook, or read without being told.
                if !is_name(&captured) || (is_new && captured.starts_with('.')) {
                    return Err(Failure::unfit(format!("{{{label}}} is no name for a node")));
                }
                match &node.mapping.list {
                    Some(list) if !is_new => {
                        let child = self.child(list, &captured).await?;
                        if let ListFrom::Object(object) = &list.from {
                            self.listed.push((object.clone(), captured.clone()));
                        }
                        self.item = child.item.map(Arc::unwrap_or_clone);
                        self.names.push((label.to_owned(), captured.clone()));
                    }
                    // What a server has called it is in its address, and in nothing that is done.
                    None if !is_new => {}
                    _ => self.names.push((label.to_owned(), captured.clone())),
                }
                encode_name(&captured)
            }
        };
        self.client_uri = format!("{}/{name}", self.client_uri);
        Ok(())
    }

    /// The child of that name, if the node's own list has it.
    async fn child(&self, list: &List, captured: &str) -> Result<Child, Failure> {
        let child = found(self.children(list).await?)?.into_iter().find(|child| child.captured == captured);
        child.ok_or_else(|| Failure::not_found(format!("the node's list has no {captured:?}")))
    }

    /// The children that the node's list has.
    pub(super) async fn children(&self, list: &List) -> Result<Answer<Vec<Child>>, Failure> {
        let context = self.context();
        Ok(match &list.from {
            ListFrom::Records { place: RecordsPlace::File(path), shape } => {
                let content = match file::read(&effects::filled(path, &context)?, self.rules)? {
                    Answer::Value(content) => content,
                    other => return Ok(other.map(|_| Vec::new())),
                };
                let failed = |why| Failure::new(code::FAILED, format!("{path}: {why}"));
                let elements = backend::elements(&content, shape, list.max, true).map_err(failed)?;
                match elements {
                    Answer::Value(elements) => Answer::Value(backend::children_of(list, elements, &context)?),
                    other => other.map(|_| Vec::new()),
                }
            }
            // By links that are not root's somebody else would say what there is. Where nobody else has a hand in the
            // way, such as a /var that is a link to another disk, they are.
            ListFrom::Glob(pattern) => {
                let (root, files) = (&self.rules.root, self.rules.files());
                let is_sound = |path: &Path| {
                    walk(path, root, files).or_else(|_| walk(path, root, self.rules.owners())).is_ok()
                };
                let mut found = backend::globbed(pattern, list.max, &context).await?;
                found.retain(|(_, path)| is_sound(path));
                let elements = found.into_iter().map(|(element, _)| element).collect();
                Answer::Value(backend::children_of(list, elements, &context)?)
            }
            from => {
                if let ListFrom::Records { place: RecordsPlace::Run(argv), .. } = from {
                    let program = argv.first().and_then(|program| program.literal()).unwrap_or_default();
                    check_program(program, self.rules)?;
                }
                backend::list(list, &context).await?
            }
        })
    }

    /// Takes the leaves that the node's `input` lists, each checked as if it were to be written.
    async fn take_input(&mut self, input: &Map<String, Json>) -> Result<(), Failure> {
        for (key, json) in input {
            let listed = self.mapping().input.iter().find(|listed| listed.key == *key);
            let leaf = listed.and_then(|listed| Some((listed, listed.path.find(self.object, self.id)?)));
            let Some((listed, leaf)) = leaf else {
                return Err(Failure::unfit(format!("`input` does not list {key:?}")));
            };
            let mut told = Told { leaf, values: Vec::new(), families: Vec::new() };
            let value =
                self.given(&self.unnamed(leaf, listed.path.stars()), json, &mut Vec::new(), &mut told)?;
            for Family { below, unnamed, names } in told.families {
                self.check_listed(&below, unnamed, &names).await?;
            }
            for (names, value) in told.values {
                let own = self.names.len();
                self.names.extend(names);
                let within = effects::check_limits(self, leaf, &value).await;
                self.names.truncate(own);
                within?;
            }
            self.given.push(Given { key: key.clone(), path: listed.path.clone(), value });
        }
        Ok(())
    }

    /// The last `count` un-named nodes on the way to a leaf.
    fn unnamed(&self, leaf: NodeId, count: usize) -> Vec<NodeId> {
        let way = std::iter::successors(Some(leaf), |id| self.object.node(*id).parent);
        let mut unnamed: Vec<NodeId> =
            way.filter(|id| self.object.node(*id).is_unnamed()).take(count).collect();
        unnamed.reverse();
        unnamed
    }

    /// The value of a leaf of `input`, or the values below each name of these un-named nodes.
    fn given(
        &self,
        unnamed: &[NodeId],
        json: &Json,
        names: &mut Vec<(String, String)>,
        told: &mut Told,
    ) -> Result<GivenValue, Failure> {
        let Some((first, unnamed)) = unnamed.split_first() else {
            let value = self.value(told.leaf, json)?;
            if self.object.node(told.leaf).mapping.limits.is_read() {
                told.values.push((names.clone(), value.clone()));
            }
            return Ok(GivenValue::One(value));
        };
        let Json::Object(members) = json else {
            return Err(Failure::unfit("what `*` of `input` stands for is an object of names"));
        };
        if let Some(name) = members.keys().find(|name| !is_name(name)) {
            return Err(Failure::unfit(format!("{name:?} in `input` is no name for a node")));
        }
        let family =
            Family { below: names.clone(), unnamed: *first, names: members.keys().cloned().collect() };
        told.families.push(family);
        let label = self.object.node(*first).label().unwrap_or_default();
        let mut each = Vec::new();
        for (name, json) in members {
            names.push((label.to_owned(), name.clone()));
            each.push((name.clone(), self.given(unnamed, json, names, told)?));
            names.pop();
        }
        Ok(GivenValue::Each(each))
    }

    /// Checks that the list of an un-named node has these names, if it has a list.
    async fn check_listed(
        &mut self,
        below: &[(String, String)],
        unnamed: NodeId,
        names: &[String],
    ) -> Result<(), Failure> {
        let object = self.object;
        let Some(list) = &object.node(unnamed).mapping.list else { return Ok(()) };
        let own = self.names.len();
        self.names.extend_from_slice(below);
        let children = self.children(list).await;
        self.names.truncate(own);
        let mut has: Vec<String> = found(children?)?.into_iter().map(|child| child.captured).collect();
        has.order();
        match names.iter().find(|name| has.binary_search(*name).is_err()) {
            Some(name) => {
                Err(Failure::not_found(format!("the list of {} has no {name:?}", object.path(unnamed))))
            }
            None => Ok(()),
        }
    }

    /// The value that JSON is, if the leaf may have it.
    pub(super) fn value(&self, leaf: NodeId, json: &Json) -> Result<Value, Failure> {
        let node = self.object.node(leaf);
        let value = Value::from_json(node.properties.format, json).map_err(Failure::unfit)?;
        let unfit = |unfit| match unfit {
            Unfit::Format(error) => Failure::unfit(error),
            Unfit::Shape(why) | Unfit::Limit(why) => Failure::unfit(why),
        };
        admit(&node.mapping, node.properties.format, &value).map_err(unfit)?;
        Ok(value)
    }

    /// The mapping of the node.
    pub(super) fn mapping(&self) -> &'a NodeMapping {
        &self.object.node(self.id).mapping
    }

    /// The address of the node, for messages.
    pub(super) fn client_uri(&self) -> &str {
        &self.client_uri
    }

    /// What works for the node is told this.
    pub(super) fn context(&self) -> Context<'_> {
        Context {
            machine: self.machine,
            node: Some((self.object, self.id)),
            objects: &self.object.objects,
            listed: &self.listed,
            seen: None,
            expectant: false,
            names: &self.names,
            given: &self.given,
            item: self.item.as_ref(),
            stored: None,
            builtins: &Nobody,
            request: Request {
                server_id: Some(&self.server_id),
                node: &self.client_uri,
                moid: Some(&self.object.moid),
                miid: &self.miid,
                resumed: self.resumed,
                exec_id: None,
            },
        }
    }
}

/// What a leaf of `input` is told, and has to be checked with the machine.
struct Told {
    leaf: NodeId,
    /// The values whose limits have to be read, each with the names of the un-named nodes on the way.
    values: Vec<(Vec<(String, String)>, Value)>,
    families: Vec<Family>,
}

/// Names that are told of one un-named node, below others.
struct Family {
    below: Vec<(String, String)>,
    unnamed: NodeId,
    names: Vec<String>,
}

/// The children that a list has, or why it has none.
fn found(children: Answer<Vec<Child>>) -> Result<Vec<Child>, Failure> {
    match children {
        Answer::Value(children) => Ok(children),
        Answer::Absent(why) => Err(Failure::not_found(why)),
        Answer::Unavailable(why) => Err(Failure::new(code::NOT_NOW, why)),
    }
}

/// Whether a text may be what the machine calls something: short, and without line ends.
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.contains(char::is_control)
}

/// Whether the object may have an instance of this name: one that its mapping lists, or where others make them, any.
fn may_be_instance(object: &ManagementObject, miid: &str) -> bool {
    object.instances.iter().any(|seed| seed.miid == miid)
        || ((object.per_account || object.per_object) && is_name(miid))
        || (object.dynamic && is_name(miid) && !miid.contains('/') && !miid.starts_with('.'))
}
