//! The difference of two agent states, in words: what became of accounts and management objects when they were read
//! again.

use std::sync::Arc;

use crate::agent_state::AgentState;
use crate::base::OneByOne as _;
use crate::base::{OrderedMap, OrderedSet};
use crate::mo::ManagementObject;
use crate::uri::ServerId;

/// The most of a kind that are named; of more, how many others there are.
const NAMED: usize = 5;

/// Whether any account came, changed or went.
pub(super) fn is_any(before: &AgentState, after: &AgentState) -> bool {
    before.peers.len() != after.peers.len()
        || before.peers.iter().zip(&after.peers).any(|(old, new)| !Arc::ptr_eq(old, new))
}

/// Whether the words of [`accounts`] or [`objects`] tell of a difference.
pub(super) fn is_told(words: &str) -> bool {
    let said = words.split_once(": ").map_or(words, |(_, said)| said);
    said != "none" && !said.starts_with("unchanged ")
}

/// The accounts `of` one agent state that are missing `from` another.
pub(super) fn missing(from: &AgentState, of: &AgentState) -> Vec<ServerId> {
    let all = of.peers.iter().map(|peer| &peer.account.server_id);
    all.filter(|server_id| from.peer(server_id).is_none()).cloned().collect()
}

/// The accounts that came, changed, went and stayed, in words.
pub(super) fn accounts(before: &AgentState, after: &AgentState) -> String {
    let all = |agent_state: &AgentState| -> Vec<_> {
        let accounts =
            agent_state.peers.iter().map(|peer| (peer.account.server_id.to_string(), peer.account.clone()));
        accounts.collect()
    };
    format!("accounts: {}", difference(&all(before), &all(after), |one, other| one == other))
}

/// The management objects that came, changed, went and stayed, by the names of their folders.
pub(super) fn objects(before: &AgentState, after: &AgentState) -> String {
    let all = |agent_state: &AgentState| -> Vec<_> {
        let objects = agent_state.tree.objects().iter();
        objects.map(|object| (object.name.clone(), object.clone())).collect()
    };
    let same = |one: &Arc<ManagementObject>, other: &Arc<ManagementObject>| {
        one.digest == other.digest && one.folder == other.folder && one.instances == other.instances
    };
    format!("management objects: {}", difference(&all(before), &all(after), same))
}

/// The difference of two lists, as `new d; changed b; removed c; unchanged a`.
fn difference<T>(before: &[(String, T)], after: &[(String, T)], same: impl Fn(&T, &T) -> bool) -> String {
    let then: OrderedMap<&str, &T> = before.iter().map(|(name, value)| (name.as_str(), value)).one_by_one();
    let now: OrderedSet<&str> = after.iter().map(|(name, _)| name.as_str()).one_by_one();
    let (mut new, mut changed, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in after {
        match then.get(name.as_str()) {
            None => new.push(name.as_str()),
            Some(then) if same(then, value) => unchanged.push(name.as_str()),
            Some(_) => changed.push(name.as_str()),
        }
    }
    let gone = then.keys().copied().filter(|name| !now.contains(name)).collect();
    let kinds = [("new", new), ("changed", changed), ("removed", gone), ("unchanged", unchanged)];
    let said = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let said: Vec<String> = said.map(|(word, names)| format!("{word} {}", listed(&names))).collect();
    if said.is_empty() { "none".to_owned() } else { said.join("; ") }
}

fn listed(names: &[&str]) -> String {
    let mut text = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text.push_str(&format!(" and {} more", names.len() - NAMED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_named_by_what_became_of_it_and_many_are_counted() {
        let all = |all: &[(&str, u32)]| all.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        let of = |before: &[(&str, u32)], after: &[(&str, u32)]| {
            let (before, after): (Vec<_>, Vec<_>) = (all(before), all(after));
            difference(&before, &after, |one, other| one == other)
        };
        assert_eq!(of(&[], &[]), "none");
        assert!(!is_told("accounts: none") && !is_told("accounts: unchanged new, changed"));
        assert!(is_told("accounts: new unchanged") && is_told("accounts: removed b; unchanged a"));
        assert_eq!(
            of(&[("a", 1), ("b", 1), ("c", 1)], &[("a", 1), ("b", 2), ("d", 1)]),
            "new d; changed b; removed c; unchanged a"
        );
        let many = [("a", 1), ("b", 1), ("c", 1), ("d", 1), ("e", 1), ("f", 1), ("g", 1)];
        assert_eq!(of(&many, &many), "unchanged a, b, c, d, e and 2 more");
    }
}
