//! EXEC (TS 5.4.5): what a node does when it is executed.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::backend::{self, Running};
use crate::ddf::AccessType;
use crate::mo::Value;
use crate::mo::fill::Variables;
use crate::mo::given::{Given, GivenValue};
use crate::mo::mapping::{AlertData, Call, Exec, Piece, Template, of_exit};
use crate::package::Profile;
use crate::store::records::{EndAlert, EndData};
use crate::uri::client::ClientUri;
use crate::uri::encode_name;

use super::error::TreeError;
use super::node::NodeRef;
use super::principal::Principal;
use super::registry::Tree;
use super::rights::Rights;
use super::state::TreeState;

/// An invocation: a node that may be executed, and how.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The node.
    pub node: NodeRef,
    /// Whether the EXEC waits for the end of the session.
    pub after_session: bool,
    /// The type of the alert that reports an end after the command was answered.
    pub alert_type: String,
    /// The rest of that alert; none: it has no more than its type.
    pub alert: Option<EndAlert>,
    /// Whether the command is answered at once, and the end is told by the alert only.
    pub always_told: bool,
    /// The absolute URI where the end is reported, if not to the server that gave the command.
    pub report_to: Option<String>,
    /// Whether the EXEC goes on after a reboot.
    pub resume: bool,
    /// Whether the EXEC goes on now, after a reboot.
    resumed: bool,
    codes: Vec<(i32, u16)>,
}

impl Invocation {
    /// The status code of an EXEC that the privileged helper has not begun: it may be tried again.
    pub const NOT_BEGUN: u16 = 503;

    /// The status code of a program's exit: 200, a mapped 1xxx, or 500; 500 too for one that was killed. 501 is for
    /// what only the privileged helper could do, 503 for what it has not begun.
    #[must_use]
    pub fn status(&self, exit: &backend::Exit) -> u16 {
        match exit.end {
            backend::End::Unsupported => return 501,
            backend::End::NotBegun => return Self::NOT_BEGUN,
            _ => {}
        }
        exit.mapped(&self.codes).unwrap_or(if exit.success() { 200 } else { 500 })
    }

    /// The status code of an EXEC that a veto program has not let pass, by that one's exit as `codes` has it.
    #[must_use]
    pub fn veto_status(&self, exit: i32) -> u16 {
        of_exit(&self.codes, exit).unwrap_or(500)
    }

    /// What the end of the EXEC is called in the journal.
    #[must_use]
    pub fn end(&self, end: backend::End) -> String {
        let is_program = matches!(meaning(&self.node), Ok(Exec { call: Call::Run(_), .. }));
        match end {
            backend::End::Code(0) if !is_program => "done".to_owned(),
            backend::End::Code(_) if !is_program => "failed".to_owned(),
            end => end.to_string(),
        }
    }

    /// The target of its alert, where that is about something that the program has reported; `reported` has the last
    /// value of each leaf of `output`. None: it has not reported that, or the target is about something else.
    #[must_use]
    pub fn target(&self, reported: &BTreeMap<String, Json>) -> Option<String> {
        let exec = self.node.mapping().exec.as_deref()?;
        let template = exec.alert.as_ref()?.target.as_ref().filter(|target| target.has_leaves())?;
        let given = exec.output.iter().filter_map(|output| {
            let name = reported.get(&output.key)?.as_str().filter(|name| !name.is_empty())?;
            let value = GivenValue::One(Value::Text(encode_name(name)));
            Some(Given { key: output.key.clone(), path: output.path.clone(), value })
        });
        let (names, given) = (encoded(&self.node.variables), given.collect::<Vec<_>>());
        template.fill_text(&Variables { names: &names, given: &given, ..Variables::default() }).ok()
    }

    /// Whether anything that the program says goes into leaves.
    #[must_use]
    pub fn keeps_what_it_says(&self) -> bool {
        let exec = self.node.mapping().exec.as_deref();
        exec.is_some_and(|exec| !exec.output.is_empty() || exec.result.is_some())
    }
}

impl Tree {
    /// The invocation of `node`, for a server of this profile.
    ///
    /// # Errors
    /// The node can't be executed, or its mapping says nothing of it.
    pub fn invocation(&self, node: &NodeRef, profile: Profile) -> Result<Invocation, TreeError> {
        if !node.properties().access.allows(AccessType::EXEC) {
            return Err(TreeError::NotAllowed { node: node.client_uri(), what: "can't be executed" });
        }
        let exec = meaning(node)?;
        Ok(Invocation {
            node: node.clone(),
            after_session: exec.after_session,
            alert_type: exec.alert_type.clone(),
            alert: end_alert(node, exec, profile),
            always_told: exec.alert.as_ref().is_some_and(|alert| alert.always),
            report_to: None,
            resume: exec.resume,
            resumed: false,
            codes: exec.codes.clone(),
        })
    }

    /// The invocation of a node that was commanded before the agent was started; `resumed`: and was begun.
    ///
    /// # Errors
    /// The node is no longer there, or the server may no longer execute it.
    pub async fn invocation_again(
        &self,
        client_uri: &str,
        resumed: bool,
        principal: &Principal<'_>,
    ) -> Result<Invocation, TreeError> {
        let uri = ClientUri::parse(client_uri).map_err(|_| TreeError::NotFound(client_uri.to_owned()))?;
        let node = self.resolve(&uri, principal, Rights::EXECUTE).await?;
        Ok(Invocation { resumed, ..self.invocation(&node, principal.account.profile)? })
    }

    /// The alert of an EXEC as it is to be told, with the values that leaves have now.
    ///
    /// # Errors
    /// One of them can't be read.
    pub async fn alert_of(
        &self,
        invocation: &Invocation,
        principal: &Principal<'_>,
    ) -> Result<Option<EndAlert>, TreeError> {
        let node = &invocation.node;
        let Some(alert) = &invocation.alert else { return Ok(None) };
        let template = if let EndData::Text(text) = &alert.data { Template::parse(text).ok() } else { None };
        let Some(template) = template.filter(Template::has_leaves) else { return Ok(Some(alert.clone())) };
        let state = TreeState::of(self.store.snapshot()?);
        let scope = self.scope_with_input(node, principal, &state).await?;
        let variables = Variables { given: &scope.given, ..Variables::default() };
        let data = EndData::Text(fill_alert(&template, &variables).to_string());
        Ok(Some(EndAlert { data, ..alert.clone() }))
    }

    /// A name for the request to the privileged helper that is to do what the node's mapping says; none where the
    /// agent does that itself.
    #[must_use]
    pub fn request_of(&self, invocation: &Invocation) -> Option<String> {
        backend::request_name(&meaning(&invocation.node).ok()?.call, &self.machine)
    }

    /// Waits for the end of what the helper was asked for by the request of this name; the node may be gone meanwhile.
    #[must_use]
    pub fn collect(&self, invocation: Option<&Invocation>, request: &str) -> Running {
        let exec = invocation.and_then(|invocation| meaning(&invocation.node).ok());
        backend::collect(exec, request, &self.machine)
    }

    /// Starts the program or call that the node's mapping names, by the helper's request of this name or else by the
    /// agent itself.
    ///
    /// # Errors
    /// It can't be started.
    pub async fn execute(
        &self,
        invocation: &Invocation,
        request: Option<&str>,
        principal: &Principal<'_>,
    ) -> Result<Running, TreeError> {
        let node = &invocation.node;
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        let exec = meaning(node)?;
        let state = TreeState::of(self.store.snapshot()?);
        let scope = self.scope_with_input(node, principal, &state).await?;
        let mut context = scope.context();
        context.request.resumed = invocation.resumed;
        context.request.exec_id = request;
        backend::start(exec, &context).await.map_err(failed)
    }
}

/// Fills in what is at hand in an alert's text; in XML it is text, whatever is in it.
fn fill_alert(template: &Template, variables: &Variables<'_>) -> Template {
    let filled = template.fill_partly(variables);
    if !is_xml(template) {
        return filled;
    }
    let escape = |(was, is): (&Piece, Piece)| match (was, is) {
        (Piece::Variable(_) | Piece::Leaf(_), Piece::Literal(text)) => Piece::Literal(xml_text(&text)),
        (_, piece) => piece,
    };
    Template(template.0.iter().zip(filled.0).map(escape).collect())
}

fn is_xml(template: &Template) -> bool {
    template.literal_start().starts_with('<')
}

/// Text as XML has it; what no document can hold is left out.
fn xml_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

fn meaning(node: &NodeRef) -> Result<&Exec, TreeError> {
    let exec = node.mapping().exec.as_deref();
    exec.ok_or(TreeError::Unsupported("EXEC of a node that no mapping gives a meaning"))
}

/// The alert that the node's mapping describes, but for the values of leaves.
fn end_alert(node: &NodeRef, exec: &Exec, profile: Profile) -> Option<EndAlert> {
    let alert = exec.alert.as_ref()?;
    let source = if alert.of_object { node.root_of().client_uri() } else { node.client_uri() };
    let (data, mime_type) = match &alert.data {
        AlertData::ResultCode => (EndData::ResultCode, "application/json"),
        // What the approved profile calls a data type is the format in DM 1.x.
        AlertData::Dm1x if profile == Profile::Approved => (EndData::Dm1x, "int"),
        AlertData::Dm1x => (EndData::Dm1x, "text/plain"),
        AlertData::Text(template) => {
            let variables = Variables { names: &node.variables, ..Variables::default() };
            let text = fill_alert(template, &variables).to_string();
            (EndData::Text(text), if is_xml(template) { "text/xml" } else { "text/plain" })
        }
    };
    let names = encoded(&node.variables);
    let names = Variables { names: &names, ..Variables::default() };
    // What the program reports is known at its end.
    let target = alert.target.as_ref().filter(|target| !target.has_leaves());
    Some(EndAlert {
        alert_type: exec.alert_type.clone(),
        mime_type: Some(mime_type.to_owned()),
        source,
        target: target.map(|target| target.fill_leniently(&names)),
        data,
        codes: alert.codes.clone(),
        otherwise: alert.otherwise,
        ok: alert.ok.clone(),
        failed: alert.failed.clone(),
    })
}

/// Names as they stand in URIs.
fn encoded(names: &[(String, String)]) -> Vec<(String, String)> {
    names.iter().map(|(label, name)| (label.clone(), encode_name(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_into_xml_stays_text() {
        let given = [Given::of("ID", Value::Text("r&d</Identifier><x a=\"'\u{7}".to_owned()))];
        let names = [("p".to_owned(), "a<b".to_owned())];
        let variables = Variables { names: &names, given: &given, ..Variables::default() };
        let filled = |text: &str| fill_alert(&Template::parse(text).unwrap(), &variables).to_string();
        assert_eq!(
            filled("<I n=\"{p}\">{../ID}</I><R>{}</R>{../Gone}"),
            "<I n=\"a&lt;b\">r&amp;d&lt;/Identifier&gt;&lt;x a=&quot;&apos;</I><R>{}</R>{../Gone}"
        );
        assert_eq!(filled("{p}: {../ID}"), "a<b: r&d</Identifier><x a=\"'\u{7}", "no XML");
    }
}
