//! Checks of an `exec`.

use super::super::mapping::{AlertData, Call, Exec, ExecAlert, Piece, SourceKind, Template, VETO};
use super::{Braces, Check};

impl Check<'_> {
    /// Checks what EXEC does, what is told of its end, and the leaves that what it says goes into.
    pub(super) fn exec(&mut self, exec: &Exec) {
        self.call(&exec.call, "exec", Braces { value: false, own_name: true });
        if let Some(ExecAlert { data: AlertData::Text(template), .. }) = &exec.alert {
            self.braces(template, "exec.alert.data", Braces { value: true, own_name: true });
        }
        if let Some(ExecAlert { target: Some(template), .. }) = &exec.alert {
            self.target(template, exec);
        }
        if !exec.output.is_empty() && !matches!(exec.call, Call::Run(_)) {
            self.problem("`exec.output` is what a program reports while it runs: it needs `run`");
        }
        if exec.result.is_some() && matches!(exec.call, Call::File { .. }) {
            self.problem("`exec.result` is what a program or a method says: a `file` says nothing");
        }
        if let Some(format) = exec.result.as_ref().and_then(|result| result.pipeline.format.as_ref()) {
            self.braces(format, "exec.result.format", Braces { value: true, own_name: true });
        }
        let output = exec.output.iter().map(|output| ("output", &output.path));
        let result = exec.result.iter().map(|result| ("result", &result.path));
        for (key, path) in output.chain(result) {
            let Some(leaf) = path.find(self.object, self.id) else {
                self.problem(format!("`exec.{key}` names `{path}`, which is no leaf of this object"));
                continue;
            };
            let get = &self.object.node(leaf).mapping.get;
            if !get.is_empty() && !get.iter().any(|source| matches!(source.from, SourceKind::Store)) {
                self.problem(format!(
                    "`exec.{key}` names `{path}`, whose `get` says something else: leave that out, or add {{ store = true }}"
                ));
            }
        }
    }

    /// Checks what the alert is about: leaves in it are those that the program reports.
    fn target(&mut self, template: &Template, exec: &Exec) {
        let (leaves, other): (Vec<_>, Vec<_>) =
            template.0.iter().cloned().partition(|piece| matches!(piece, Piece::Leaf(_)));
        self.braces(&Template(other), "exec.alert.target", Braces { value: false, own_name: true });
        for piece in leaves {
            if let Piece::Leaf(path) = piece
                && exec.output.iter().all(|output| output.path != path)
            {
                self.problem(format!(
                    "`exec.alert.target`: `{{{path}}}` has no value here unless `output` lists that leaf"
                ));
            }
        }
    }
}

/// What is hardly meant of an `exec`.
pub(super) fn doubts(exec: &Exec, told: &mut Vec<String>) {
    let alert = exec.alert.as_ref().map_or(&[][..], |alert| &alert.codes);
    let is_mixed = |codes: &[(i32, u16)]| {
        codes.iter().any(|(code, _)| *code > 0) && !codes.iter().any(|(code, _)| *code >= VETO)
    };
    if exec.veto && (is_mixed(&exec.codes) || is_mixed(alert)) {
        told.push(
            "`codes` tell a veto program's exit code as if it were the program's own: say `veto = …` in them, or `veto-4 = …`"
                .to_owned(),
        );
    }
}
