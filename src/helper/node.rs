//! The node of an operation: what it is told of it holds only as far as the machine says the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::object::check_program;
use super::outcome::Failure;
use super::rules::Rules;
use super::{effects, file};
use crate::backend::{self, Answer, Builtins, Child, Context, Machine, Request};
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
        for (what, text) in [("miid", &op.miid), ("server", &server.to_owned())] {
            if text.len() > 255 || text.contains(char::is_control) {
                return Err(Failure::unfit(format!("{what} is no name")));
            }
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
        node.take_input(&op.input)?;
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
                if captured.is_empty() || captured.len() > 255 || captured.contains(char::is_control) {
                    return Err(Failure::unfit(format!("{{{label}}} is no name for a node")));
                }
                match &node.mapping.list {
                    Some(list) if !is_new => {
                        let child = self.child(list, &captured).await?;
                        if let ListFrom::Object(object) = &list.from {
                            self.listed.push((object.clone(), captured.clone()));
                        }
                        self.item = child.item;
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
        let children = match self.children(list).await? {
            Answer::Value(children) => children,
            Answer::Absent(why) => return Err(Failure::not_found(why)),
            Answer::Unavailable(why) => return Err(Failure::new(code::NOT_NOW, why)),
        };
        let child = children.into_iter().find(|child| child.captured == captured);
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
                let text = String::from_utf8(content)
                    .map_err(|_| Failure::new(code::FAILED, "the list is not UTF-8"))?;
                let failed = |why| Failure::new(code::FAILED, format!("{path}: {why}"));
                let elements = backend::elements(&text, shape, true).map_err(failed)?;
                match elements {
                    Answer::Value(elements) => Answer::Value(backend::children_of(list, elements, &context)?),
                    other => other.map(|_| Vec::new()),
                }
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
    fn take_input(&mut self, input: &Map<String, Json>) -> Result<(), Failure> {
        for (key, json) in input {
            let listed = self.mapping().input.iter().find(|listed| listed.key == *key);
            let leaf = listed.and_then(|listed| Some((listed, listed.path.find(self.object, self.id)?)));
            let Some((listed, leaf)) = leaf else {
                return Err(Failure::unfit(format!("`input` does not list {key:?}")));
            };
            let value = self.given(leaf, listed.path.is_of_many(), json)?;
            self.given.push(Given { key: key.clone(), path: listed.path.clone(), value });
        }
        Ok(())
    }

    fn given(&self, leaf: NodeId, is_of_many: bool, json: &Json) -> Result<GivenValue, Failure> {
        match json {
            Json::Object(members) if is_of_many => {
                let each =
                    |(name, json): (&String, &Json)| Ok((name.clone(), self.given(leaf, is_of_many, json)?));
                Ok(GivenValue::Each(members.iter().map(each).collect::<Result<_, Failure>>()?))
            }
            json => self.value(leaf, json).map(GivenValue::One),
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
                client_uri: &self.client_uri,
                moid: Some(&self.object.moid),
                miid: &self.miid,
                resumed: self.resumed,
                exec_id: None,
            },
        }
    }
}
