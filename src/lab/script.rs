//! A DM server that plays one answer after the other.

use std::collections::VecDeque;

use serde_json::Value;

use super::reply::Reply;
use super::tape::Request;
use crate::package::Verb;

/// The script of sessions: the answers of each session to come. Past their end, a session gets END.
#[derive(Clone, Debug, Default)]
pub struct Script {
    sessions: VecDeque<Vec<Reply>>,
    running: VecDeque<Reply>,
    repeat: Option<Vec<Reply>>,
    /// Whether the running session has got past its Package#1.
    begun: bool,
}

impl Script {
    /// Makes a script of one session with these answers; later sessions get END.
    #[must_use]
    pub fn session(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::default().then(replies)
    }

    /// Adds another session with these answers.
    #[must_use]
    pub fn then(mut self, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.push(replies);
        self
    }

    /// Adds another session with these answers, to a script that is already being played.
    pub fn push(&mut self, replies: impl IntoIterator<Item = Reply>) {
        self.sessions.push_back(replies.into_iter().collect());
    }

    /// Has the last session played again and again.
    #[must_use]
    pub fn repeated(mut self) -> Self {
        self.repeat = self.sessions.back().cloned();
        self
    }

    /// The answers that a script file asks for: a JSON array with one member a Package#2, each an array of commands,
    /// each an array of strings. `{repository}` stands for the data repository's origin.
    ///
    /// # Errors
    /// What the text should have been.
    pub fn parse(text: &str, repository: &str) -> Result<Vec<Reply>, String> {
        let shape = "a script is an array of packages, each an array of commands such as [\"GET\", \"…\"]";
        let text = text.replace("{repository}", repository);
        let script: Value = serde_json::from_str(&text).map_err(|error| format!("{error}; {shape}"))?;
        let packages = script.as_array().ok_or(shape)?;
        // A command may be as wrong as one likes: that is what some scripts are for. A package may not.
        let sound = |package: &Value| {
            package.as_array().is_some_and(|commands| !commands.iter().any(Value::is_string))
        };
        if !packages.iter().all(sound) {
            return Err(shape.to_owned());
        }
        Ok(packages.iter().map(Reply::commands).collect())
    }

    /// The names in a script file that no command of DM 2.0 has.
    #[must_use]
    pub fn doubts(text: &str) -> Vec<String> {
        let script: Value = serde_json::from_str(text).unwrap_or_default();
        let packages = script.as_array().into_iter().flatten().enumerate();
        let commands = packages.flat_map(|(package, commands)| {
            let commands = commands.as_array().into_iter().flatten().enumerate();
            commands.map(move |(at, command)| (package + 1, at + 1, command))
        });
        let name = |command: &Value| command.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
        commands
            .map(|(package, at, command)| (package, at, name(command)))
            .filter(|(.., name)| matches!(Verb::from(name.clone()), Verb::Unknown(_)))
            .map(|(package, at, name)| format!("package {package}, command {at}: {name:?} is no command"))
            .collect()
    }

    /// The answer to `request`.
    ///
    /// A Package#1 starts the next session, unless none of this session's answers has arrived whole: then it
    /// is the same Package#1, sent again.
    pub fn answer(&mut self, request: &Request) -> Reply {
        if request.is_initiation() && (self.begun || self.running.is_empty()) {
            self.running =
                self.sessions.pop_front().or_else(|| self.repeat.clone()).unwrap_or_default().into();
            self.begun = false;
        }
        let reply =
            self.running.pop_front().unwrap_or_else(|| Reply::commands(&serde_json::json!([["END"]])));
        self.begun |= reply.is_delivered();
        reply
    }

    /// Makes the handler for a [`Server`](super::Server).
    pub fn handler(mut self) -> impl FnMut(&Request) -> Reply + Send {
        move |request| self.answer(request)
    }
}
