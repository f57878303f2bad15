//! The test of an account: the way to its server, stage by stage, without a session.
//!
//! One HEAD of the account's address is sent: no package, so that the server executes nothing and hears of nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Method;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use serde_json::{Value as Json, json};

use super::Daemon;
use super::calls::unknown_server;
use crate::agent_state::{AgentState, Parameters, Peer};
use crate::base;
use crate::base::Progress;
use crate::connectivity::Resolved;
use crate::package::{REQUEST, is_media_type};
use crate::service::{Caller, Values};
use crate::session::SessionFailure;
use crate::transport::{Auth, Binding, Request, location};
use crate::tree::{Principal, SessionFacts};
use crate::uri::ServerId;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Daemon {
    /// Tests the way to an account's server, and answers with JSON.
    pub(super) fn test_account(&mut self, server: &str, caller: Caller) {
        let agent_state = Arc::clone(&self.agent_state);
        let server_id: ServerId = server.into();
        let Some(peer) = agent_state.peer(&server_id).cloned() else {
            return caller.answer(Err(unknown_server(&server_id, &agent_state)));
        };
        let testing = async move {
            let told = test(&agent_state, &peer).await;
            caller.answer(Ok(Values::Of("s", json!([told.to_string()]))));
        };
        base::spawn(self.shared.hearts.watch(format!("the test of {server}"), testing));
    }
}

async fn test(agent_state: &AgentState, peer: &Peer) -> Json {
    let stages: Arc<Mutex<Vec<Json>>> = Arc::default();
    let heard = Arc::clone(&stages);
    let progress = Progress::new(move |stage, what| {
        let stage = json!({ "stage": stage, "what": what });
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
    });
    let asked = tokio::time::timeout(PATIENCE, ask(agent_state, peer, &progress)).await;
    let why = asked.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs()))).err();
    let stages = std::mem::take(&mut *stages.lock().unwrap_or_else(PoisonError::into_inner));
    let account = &peer.account;
    json!({
        "version": 1, "server": account.server_id.as_str(), "stages": stages, "ok": why.is_none(), "why": why,
        "broken": agent_state.broken(&account.file),
    })
}

/// Asks the server; fails with what is wrong.
async fn ask(agent_state: &AgentState, peer: &Peer, progress: &Progress) -> Result<(), String> {
    let account = &peer.account;
    let principal = Principal { account, session: SessionFacts::default() };
    let parameters = Parameters::of(&agent_state.tree, &agent_state.settings, &principal).await;
    let parameters = parameters.map_err(|error| error.to_string())?;
    let client = peer.new_client(&parameters).map_err(|error| error.to_string())?;
    let uri = parameters.expand(&account.server_uri).map_err(|error| format!("server-uri: {error}"))?;
    let names = Resolved::new(Arc::clone(&agent_state.tree.machine().bus));
    let mut connection = client.connection(Binding::Any).with_names(names);
    connection.follow(progress);
    let request = Request { timeout: PATIENCE, slowest: 0, ..Request::new(Method::HEAD, uri) };
    let response = connection.send(&request).await.map_err(|error| error.to_string())?;
    let status = response.status;
    let told =
        |name: HeaderName| Some(String::from_utf8_lossy(response.headers.get(name)?.as_bytes()).into_owned());
    let kind = told(CONTENT_TYPE).map(|kind| kind.chars().take(100).collect::<String>());
    let said = kind.as_ref().map_or_else(String::new, |kind| format!(", content type {kind:?}"));
    progress.tell("HTTP", format_args!("the server answers: {status} to a HEAD{said}"));
    match &account.auth {
        Auth::Certificate { .. } => {
            progress.tell("authentication", format_args!("by the certificate, in TLS"));
        }
        Auth::Basic { .. } | Auth::Digest { .. } if !client.is_challenged() => {
            let what = "the server asks for none here: only a session tells whether it takes the account's";
            progress.tell("authentication", format_args!("{what}"));
        }
        _ => {}
    }
    let moved = location(&response.headers).filter(|_| (300..400).contains(&status));
    if let Some(to) = moved {
        let why = SessionFailure::Moved { status, to };
        return Err(why.to_string());
    }
    match (status, kind) {
        // 501: it knows no HEAD.
        (300..=399 | 403 | 407 | 429 | 500 | 502.., _) => Err(format!("HTTP status {status}")),
        (200..=299, Some(kind)) if is_media_type(&kind, REQUEST) => Ok(()),
        // What would come to a GET is nothing: the type is the one that the server's software puts everywhere.
        (200..=299, Some(kind)) if told(CONTENT_LENGTH).as_deref() != Some("0") => {
            Err(format!("what answers is no DM package: content type {kind:?}, expected {REQUEST}"))
        }
        _ => {
            progress
                .tell("package", format_args!("none here: only a session tells whether it is a DM server"));
            Ok(())
        }
    }
}
