//! Warnings about words that mean something elsewhere: in the arguments of programs, and in `map`.

use crate::ddf::AccessType;

use super::super::mapping::{Call, ListFrom, NodeMapping, Program, RecordsPlace, SourceKind};
use super::super::object::{ManagementObject, NodeId};
use super::super::template::{Piece, Template};
use super::program_text::program_text;

/// The arguments that a shell would not hand to the program.
const OPERATORS: [&str; 10] = ["|", "||", "&&", "&", ">", ">>", "<", "2>&1", ">&2", "2>"];
/// The programs that have such arguments of their own.
const TAKE_OPERATORS: [&str; 4] = ["test", "[", "expr", "dpkg"];
/// The words of a `map` that stand for all else in other languages.
const ALL_ELSE: [&str; 4] = ["default", "*", "_", "else"];

/// The names of secrets have one of these in them.
const SECRETS: [&str; 7] = ["key", "secret", "pass", "psk", "token", "credential", "auth"];

/// What is hardly meant of the words in a node's mapping.
pub(super) fn doubts(mapping: &NodeMapping, lowest: Option<f64>, told: &mut Vec<String>) {
    for (key, argv) in argvs(mapping) {
        told.extend(shell_words(key, argv));
        told.extend(unnamed_text(key, argv));
        if key == "set.run"
            && lowest.is_some_and(|lowest| lowest < 0.0)
            && let Some(at) = argv.iter().position(|one| one.0.first() == Some(&Piece::Value))
            && !argv.iter().take(at).any(|one| one.literal() == Some("--"))
        {
            told.push(
                "`set.run` has no \"--\" before \"{}\": numbers below 0 are refused, as options".to_owned(),
            );
        }
    }
    let pipelines = mapping.get.iter().map(|source| &source.pipeline);
    for pipeline in pipelines.filter(|pipeline| pipeline.otherwise.is_none() && mapping.set.is_none()) {
        let odd =
            |(from, to): &&(String, String)| ALL_ELSE.contains(&from.as_str()) && !to.contains(from.as_str());
        if let Some((word, _)) = pipeline.map.iter().find(odd) {
            told.push(format!(
                "`map` takes {word:?} as a word of the source: for all else, write `otherwise`"
            ));
        }
    }
}

/// Values that servers write and none may read, in the arguments of a program, which everybody on the machine sees: the
/// node's own, and those of other leaves.
pub(super) fn secrets(object: &ManagementObject, id: NodeId, told: &mut Vec<String>) {
    let node = object.node(id);
    for (key, argv) in argvs(&node.mapping) {
        let pieces = argv.iter().flat_map(|argument| &argument.0);
        for (at, piece) in pieces.clone().enumerate() {
            let is_said = pieces.clone().take(at).any(|earlier| earlier == piece);
            match piece {
                _ if is_said => {}
                Piece::Value if key == "set.run" && is_secret(object, id) => told.push(format!(
                    "`set.run` shows the value to everybody on the machine, as an argument: `input = [{:?}]` gives it on standard input",
                    node.own_name()
                )),
                Piece::Leaf(path) if path.find(object, id).is_some_and(|leaf| is_secret(object, leaf)) => {
                    told.push(format!(
                        "`{key}` shows {{{path}}} to everybody on the machine, as an argument: what `input` lists is on standard input, and need not be in `run`"
                    ));
                }
                _ => {}
            }
        }
    }
}

/// Whether a leaf is called like a secret, and treated like one: no server may read it.
fn is_secret(object: &ManagementObject, id: NodeId) -> bool {
    let node = object.node(id);
    let name = node.own_name().to_ascii_lowercase();
    !node.properties.access.allows(AccessType::GET) && SECRETS.iter().any(|secret| name.contains(secret))
}

/// All programs of a mapping with their arguments.
pub(super) fn argvs(mapping: &NodeMapping) -> impl Iterator<Item = (&'static str, &[Template])> {
    let get = mapping.get.iter().filter_map(|source| match &source.from {
        SourceKind::Run(argv) => Some(("get.run", argv.as_slice())),
        _ => None,
    });
    let list = mapping.list.iter().filter_map(|list| match &list.from {
        ListFrom::Records { place: RecordsPlace::Run(argv), .. } => Some(("list.run", argv.as_slice())),
        _ => None,
    });
    let calls = super::machine::calls(mapping).filter_map(|(key, call)| match call {
        Call::Run(Program { argv, .. }) => Some((run_of(key), argv.as_slice())),
        _ => None,
    });
    get.chain(list).chain(calls)
}

fn run_of(key: &str) -> &'static str {
    match key {
        "set" => "set.run",
        "add" => "add.run",
        "delete" => "delete.run",
        _ => "exec.run",
    }
}

/// What a shell would have made something else of: there is none.
fn shell_words(key: &str, argv: &[Template]) -> Option<String> {
    let text = program_text(argv).map(|(_, text)| text);
    let program = argv.first()?.literal()?.rsplit('/').next()?;
    let mut is_value = false;
    for argument in argv.iter().skip(1) {
        let word = argument.literal_start();
        // Behind an option stands what that takes.
        let may_be_any = std::mem::replace(&mut is_value, word.starts_with('-') && word != "--");
        let is_operator = OPERATORS.contains(&word) && !may_be_any && !TAKE_OPERATORS.contains(&program);
        let is_redirected = ["2>/", ">/", ">>/", "</"].iter().any(|begin| word.starts_with(begin));
        let is_filled = word.starts_with("$(") || word.starts_with('`') || is_variable(word);
        let is_pattern = word.starts_with('/') && word.contains('*') && !may_be_any;
        let odd = is_operator || is_redirected || is_filled || is_pattern || word.starts_with("~/");
        if odd && text != Some(argument) {
            return Some(format!(
                "`{key}` hands {word:?} to the program as it is: no shell is there to read it; write a script, or [\"/bin/sh\", \"-c\", …]"
            ));
        }
    }
    None
}

/// Whether a word begins with what a shell would take for a variable of the environment.
fn is_variable(word: &str) -> bool {
    let name = word.strip_prefix("${").or_else(|| word.strip_prefix('$'));
    name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// That the arguments of a shell's text are counted from 0.
fn unnamed_text(key: &str, argv: &[Template]) -> Option<String> {
    let (shell, text) = program_text(argv)?;
    let at = argv.iter().position(|one| one == text)?;
    let last = argv.len().checked_sub(at + 1).filter(|last| (1..10).contains(last))?;
    let text = text.literal().filter(|text| shell.ends_with("sh") && !text.contains("$0"))?;
    text.contains(&format!("${last}")).then(|| {
        format!("`{key}`: what follows the text is $0 first: put a word such as \"sh\" before the arguments")
    })
}
