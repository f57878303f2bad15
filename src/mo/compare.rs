//! Comparing what a mapping and its DDF say of the same node.

use crate::base::Order as _;
use crate::ddf::{AccessType, Occurrence, Properties, Scope};

use super::mapping::Description;

/// The differences between a mapping's description of a node and that of the DDF `name`.
pub(super) fn differences(description: &Description, properties: &Properties, name: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut compare = |key: &str, here: Option<String>, there: String| {
        if let Some(here) = here.filter(|here| *here != there) {
            told.push(format!(
                "`{key}` is {here:?} here, and {there:?} in {name}: make them the same, or leave it out here"
            ));
        }
    };
    compare(
        "format",
        description.format.map(|format| format.word().to_owned()),
        properties.format.word().to_owned(),
    );
    compare("occurs", description.occurs.map(mark), mark(properties.occurrence));
    compare("scope", description.scope.map(scope), scope(properties.scope));
    compare("access", description.access.map(words), words(properties.access));
    compare("default", description.default.clone(), properties.default_value.clone().unwrap_or_default());
    let mut types = [description.mime.clone(), properties.mime.clone()];
    types.iter_mut().for_each(|types| types.order());
    let [here, there] = types.map(|types| types.join(", "));
    compare("mime", Some(here).filter(|here| !here.is_empty()), there);
    told
}

fn mark(occurs: Occurrence) -> String {
    if occurs == Occurrence::One { "1".to_owned() } else { occurs.to_string() }
}

fn scope(scope: Scope) -> String {
    if scope == Scope::Permanent { "permanent" } else { "dynamic" }.to_owned()
}

fn words(access: AccessType) -> String {
    // No command of DM 2.0 copies: a mapping can't say it.
    let known = |word: AccessType| word != AccessType::COPY && access.allows(word);
    let all = AccessType::ALL.into_iter().filter(|(word, _)| known(*word));
    all.map(|(_, name)| name.to_ascii_lowercase()).collect::<Vec<_>>().join(" ")
}
