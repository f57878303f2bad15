//! The children of an un-named node: `list`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::answer::Answer;
use super::context::Context;
use super::element::Element;
use super::error::BackendError;
use super::glob::{Glob, escape};
use super::helper::Helper;
use super::run::SOURCE_TIMEOUT;
use super::{bus, by_helper, file, records};
use crate::base::said::SaidOf;
use crate::helper_protocol::Verb;
use crate::mo::mapping::{BusObject, List, ListFrom, RecordsPlace, Template};
use crate::uri::encode_name;

/// The folders with names that are passed over, of which the journal has a line: they are looked into again and again.
static SAID: SaidOf<PathBuf> = SaidOf::at_most(256);

/// One child of an un-named node.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// The node's name: what was captured, percent-encoded.
    pub name: String,
    /// The name as the machine has it, which is the variable's value ([`Context::names`]).
    pub captured: String,
    /// The item of the listing: what it said about the child, and the value of [`Context::item`].
    pub item: Option<Arc<Json>>,
}

impl Child {
    /// The bytes that the child takes in memory, roughly.
    #[must_use]
    pub fn size(&self) -> usize {
        let item = self.item.as_deref().map_or(0, size_of_json);
        size_of::<Self>() + self.name.len() + self.captured.len() + item
    }
}

/// The bytes that a JSON value takes in memory, roughly: its strings, and a place for each of its values.
fn size_of_json(json: &Json) -> usize {
    let within: usize = match json {
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
        Json::String(text) => text.len(),
        Json::Array(elements) => elements.iter().map(size_of_json).sum(),
        Json::Object(members) => {
            let member =
                |(name, value): (&String, &Json)| size_of::<String>() + name.len() + size_of_json(value);
            members.iter().map(member).sum()
        }
    };
    size_of::<Json>() + within
}

/// Finds the children, at most `list.max` of them; a longer list is cut, and the journal says so.
///
/// # Errors
/// [`BackendError`]; [`BackendError::List`] if two children have one name, or one has none.
pub async fn list(list: &List, context: &Context<'_>) -> Result<Answer<Vec<Child>>, BackendError> {
    if let Some(helper) = context.machine.helper.as_ref().filter(|_| list.privileged) {
        return list_by_helper(helper, list, context).await;
    }
    let found = match &list.from {
        ListFrom::Glob(pattern) => match globbed(pattern, list.max, context).await {
            Err(stuck @ BackendError::Stuck { .. }) => return Ok(Answer::Unavailable(stuck.to_string())),
            found => found?.into_iter().map(|(element, _)| element).collect(),
        },
        ListFrom::Records { place, shape } => {
            match records::read(place, shape, list.max, list.privileged, context).await? {
                Answer::Value(found) => found,
                Answer::Absent(why) => return Ok(Answer::Absent(why)),
                Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
            }
        }
        ListFrom::Object(object) => match bus::children(object, list.max, context).await? {
            Answer::Value(found) => found,
            Answer::Absent(why) => return Ok(Answer::Absent(why)),
            Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
        },
    };
    children_of(list, found, context).map(Answer::Value)
}

/// Whether the service is not there whose objects a list has. Nobody knows then what would be in it.
pub async fn is_away(list: &List, context: &Context<'_>) -> bool {
    match &list.from {
        ListFrom::Object(object) => bus::is_away(object, context).await,
        _ => false,
    }
}

/// What a list comes from, as people are told of it.
fn place(from: &ListFrom, context: &Context<'_>) -> String {
    match from {
        ListFrom::Glob(pattern) => Template::parse(pattern).map_or_else(
            |_| pattern.clone(),
            |pattern| pattern.fill_partly(&context.variables(None)).to_string(),
        ),
        ListFrom::Records { place: RecordsPlace::Run(argv), .. } => records::words(argv, context),
        ListFrom::Records { place: RecordsPlace::File(path), .. } => {
            path.fill_path(&context.variables(None)).unwrap_or_else(|_| path.to_string())
        }
        ListFrom::Object(object) => {
            let known = context.objects.iter().find(|(name, _)| name == object);
            known.map_or_else(|| object.clone(), |(_, BusObject { name, path, .. })| format!("{name} {path}"))
        }
    }
}

/// Has the helper list the children, as that takes root.
async fn list_by_helper(
    helper: &Helper,
    list: &List,
    context: &Context<'_>,
) -> Result<Answer<Vec<Child>>, BackendError> {
    // A list is asked for from the node above.
    let unnamed = context.node.and_then(|(object, parent)| Some((object, object.unnamed_child(parent)?)));
    let context = &Context { node: unnamed, ..*context };
    let op = by_helper::op(Verb::List, context)?;
    let reply = match by_helper::ask(helper, op, SOURCE_TIMEOUT, context).await {
        Ok(reply) => reply,
        Err(later) if later.is_temporary() => return Ok(Answer::Unavailable(later.to_string())),
        Err(error) => return Err(error),
    };
    let Some(Json::Array(elements)) = reply.value else {
        return Ok(Answer::Absent(reply.error.unwrap_or_default()));
    };
    let element = |element: Json| {
        let Json::Array(pair) = element else { return None };
        let mut pair = pair.into_iter();
        let Some(Json::String(captured)) = pair.next() else { return None };
        Some(Element { captured, item: pair.next() })
    };
    children_of(list, elements.into_iter().filter_map(element).collect(), context).map(Answer::Value)
}

/// The children that the elements of a listing are.
///
/// # Errors
/// [`BackendError::List`] if two children have one name, or one has none.
pub fn children_of(
    list: &List,
    found: Vec<Element>,
    context: &Context<'_>,
) -> Result<Vec<Child>, BackendError> {
    let failed = |why| BackendError::List { from: place(&list.from, context), why };
    children(found, list.max, context).map_err(failed)
}

fn children(mut found: Vec<Element>, max: usize, context: &Context<'_>) -> Result<Vec<Child>, String> {
    if found.len() > max {
        log::warn!(
            "{}: `list` found more children than its `max` of {max}: the others are left out",
            context.request.client_uri()
        );
        found.truncate(max);
    }
    let mut seen = HashSet::new();
    found
        .into_iter()
        .map(|Element { captured, item }| {
            let name = encode_name(&captured);
            if name.is_empty() {
                return Err("a name is empty".to_owned());
            }
            if !seen.insert(name.clone()) {
                return Err(format!("{captured:?} is there twice"));
            }
            Ok(Child { name, captured, item: item.map(Arc::new) })
        })
        .collect()
}

/// The paths that match a pattern, each with the element that it is; the name is the part that the first `*` matched.
///
/// # Errors
/// [`BackendError`]: what is no pattern, or a folder that hangs.
pub async fn globbed(
    pattern: &str,
    max: usize,
    context: &Context<'_>,
) -> Result<Vec<(Element, PathBuf)>, BackendError> {
    let mut filled = pattern.to_owned();
    for (label, name) in context.names {
        let braces = format!("{{{label}}}");
        if filled.contains(&braces) && (name.contains('/') || name.contains("..")) {
            return Err(crate::mo::fill::FillError::Path(format!("{name:?}")).into());
        }
        filled = filled.replace(&braces, &escape(name));
    }
    let Some(star) = Star::find(&filled) else {
        let why = "must have a component with exactly one `*`".to_owned();
        return Err(BackendError::List { from: filled, why });
    };
    file::named(context.machine, &filled)?;
    let walk = match Glob::parse(&filled) {
        Ok(walk) => walk,
        Err(why) => return Err(BackendError::List { from: filled, why: why.to_string() }),
    };
    let folder = file::named(context.machine, walk.folder())?;
    let (root, client_uri) = (context.machine.sysroot.clone(), context.request.client_uri().to_owned());
    file::blocking_from(folder, move |folder, access| {
        let mut found = Vec::new();
        // One more than `max` tells that there are too many.
        let most = max.saturating_add(1);
        let unnamed = walk.walk(&root, folder, access, &mut |path| {
            if let Some(name) = path.strip_prefix(&root).ok().and_then(|path| star.name(path)) {
                found.push((Element { captured: name, item: None }, path.to_path_buf()));
            }
            found.len() < most
        });
        match unnamed {
            Ok(0) => {}
            Ok(count) => log::log!(
                if SAID.first(folder.to_path_buf()) { log::Level::Warn } else { log::Level::Debug },
                OMADM_CLIENT_URI = client_uri.as_str();
                "{client_uri}: {count} names below {} are not UTF-8, and passed over", folder.display()
            ),
            Err(stuck) => return Err(BackendError::Stuck { path: folder.to_path_buf(), stuck }),
        }
        Ok(found)
    })
    .await
}

/// The place of a pattern's first `*`.
#[derive(Debug, PartialEq, Eq)]
struct Star {
    /// The component that it is in, counted from the sysroot.
    component: usize,
    /// The numbers of characters before and after the `*` in that.
    around: (usize, usize),
}

impl Star {
    fn find(pattern: &str) -> Option<Self> {
        let mut components = pattern.trim_start_matches('/').split('/').enumerate();
        let (component, text) = components.find(|(_, text)| text.contains('*'))?;
        let (before, after) = text.split_once('*')?;
        if after.contains('*') {
            return None;
        }
        Some(Self { component, around: (width(before), width(after)) })
    }

    fn name(&self, path: &Path) -> Option<String> {
        let text = path.iter().nth(self.component)?.to_str()?;
        let (before, after) = self.around;
        let count = text.chars().count().checked_sub(before + after)?;
        Some(text.chars().skip(before).take(count).collect())
    }
}

/// The number of characters that a pattern without `*` matches: `?` and `[…]` are one each.
fn width(pattern: &str) -> usize {
    let mut rest = pattern;
    let mut count = 0;
    while let Some(c) = rest.chars().next() {
        let class = rest.strip_prefix('[').and_then(|inside| {
            // A `]` that comes first, or first after `!`, is one of the class.
            let inside = inside.strip_prefix('!').unwrap_or(inside);
            let first = inside.chars().next()?.len_utf8();
            let (_, after) = inside.get(first..)?.split_once(']')?;
            Some(after)
        });
        rest = class.unwrap_or_else(|| rest.get(c.len_utf8()..).unwrap_or_default());
        count += 1;
    }
    count
}
