//! Checks of a `list`, and of what is below one.

use crate::ddf::Occurrence;

use super::super::mapping::{List, ListFrom, RecordsPlace};
use super::super::object::{ManagementObject, NodeId};
use super::super::template::Template;
use super::{Braces, Check};

impl Check<'_> {
    /// Checks where the children of an un-named node come from, and that there may be several of them.
    pub(super) fn list(&mut self, list: &List) {
        let not_yet_named = Braces { value: false, own_name: false };
        match &list.from {
            ListFrom::Records { place: RecordsPlace::Run(argv), .. } => {
                self.argv(argv, "list.run", not_yet_named);
            }
            ListFrom::Records { place: RecordsPlace::File(path), .. } => {
                self.path(path, "list.file", not_yet_named);
            }
            ListFrom::Glob(pattern) => {
                match Template::parse(pattern) {
                    Ok(template) => self.braces(&template, "list.glob", not_yet_named),
                    Err(error) => self.problem(format!("`list.glob`: {error}")),
                }
                let named = pattern.split('/').find(|component| component.contains('*')).unwrap_or_default();
                if named.matches('*').count() > 1 {
                    self.problem(format!(
                        "`list.glob`: `{named}` has more than one `*`: it can't be told which stands for the name"
                    ));
                }
            }
            ListFrom::Object(name) => {
                let known = self.object.objects.iter().find(|(known, _)| known == name);
                if let Some((_, object)) = known.filter(|(_, object)| !object.path.contains('*')) {
                    self.problem(format!(
                        "`list.object`: the path {} has no `*`, and so is one object: write `*` where the names are",
                        object.path
                    ));
                }
            }
        }
        // A DDF that says nothing of it says the same.
        if is_single(self.node.properties.occurrence) && self.files.is_described() {
            self.problem(
                "has a `list`, and `occurs` says that there is one at most: leave it out, or say \"*\"",
            );
        }
    }

    /// Checks that the listing which made the nearest un-named node has this member.
    pub(super) fn item(&mut self, name: &str) {
        let nearest = self.object.lineage(self.id).find(|node| node.is_unnamed());
        if !nearest.and_then(|node| node.mapping.list.as_deref()).is_some_and(|list| list.has_item(name)) {
            self.problem(format!(
                "`item` needs a `list` at the nearest un-named node, with `json = true`, `object`, or a `match` with a \
                 group (?<{name}>…)"
            ));
        }
    }
}

fn is_single(occurrence: Occurrence) -> bool {
    matches!(occurrence, Occurrence::One | Occurrence::ZeroOrOne)
}

/// What is hardly meant of an un-named node with a list.
pub(super) fn doubts(object: &ManagementObject, id: NodeId, list: &List, told: &mut Vec<String>) {
    match object.node(id).properties.occurrence {
        Occurrence::ZeroOrN(most) | Occurrence::OneOrN(most)
            if usize::try_from(most).is_ok_and(|most| most < list.max) =>
        {
            told.push(format!(
                "may be there {most} times, and the `list` bring more: say `max = {most}` in it, which leaves out the others"
            ));
        }
        single if is_single(single) => {
            told.push("has a `list`, and the DDF says that there is one at most: <ZeroOrMore/>".to_owned());
        }
        _ => {}
    }
    if let ListFrom::Glob(pattern) = &list.from
        && pattern.split('/').filter(|component| component.contains('*')).count() > 1
    {
        told.push(
            "`list.glob` has a `*` in several places: the first gives the name, and paths that differ in another are \
             one name twice, with which nothing is listed"
                .to_owned(),
        );
    }
}
