//! HTTP with data repositories (TS 5.1.4): what HGET, HPUT and HPOST share.

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{HeaderMap, Method, Uri};

use super::{CommandError, Context, media};
use crate::base::lane::{DOCUMENTS, Stuck};
use crate::mo::tnds::{self, TndsError};
use crate::package::{Profile, is_media_type};
use crate::session::Parameters;
use crate::transport::{Connection, Peer, Pieces, ProduceError, Produced, Request, Response, Standing};
use crate::tree::{Batch, Document, NodeRef, Tree, TreeError, Visitor};
use crate::uri::Origin;
use crate::uri::server::Template;

const MOST_REDIRECTS: usize = 5;
/// The largest document that is retrieved, once unpacked.
const MOST_RETRIEVED: usize = 4 << 20;
/// The most bytes that are sent: a URI may stand there any number of times.
const MOST_SENT: usize = 64 << 20;
/// The largest DM 1.x document that is sent; it is made in memory.
const MOST_XML: usize = 16 << 20;
const DEV_ID: HeaderName = HeaderName::from_static("omadm-devid");
/// Says which types a repository takes that answers 415 (approved profile).
const OMADM_ACCEPT: &str = "omadm-accept";

/// What a repository sent.
pub(super) struct Fetched {
    /// Content-Type, as sent.
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

impl Fetched {
    /// The serialised management objects that it holds, at least one; for `target` if the server named one. Read off
    /// the agent's thread: it may be large, and made to be slow.
    pub(super) async fn documents(
        &self,
        target: Option<&NodeRef>,
        tree: &Arc<Tree>,
        visitor: &Visitor<'_>,
    ) -> Result<Vec<Document>, TreeError> {
        let is_xml = is_media_type(&self.content_type, media::TNDS_XML);
        let (body, target, tree) = (self.body.clone(), target.cloned(), Arc::clone(tree));
        let (account, session) = (Arc::clone(visitor.account), visitor.session);
        let read = DOCUMENTS.run(move || match is_xml {
            true => {
                let visitor = Visitor { account: &account, session };
                Document::parse_tnds(&body, target.as_ref(), &tree, &visitor)
            }
            false => Document::parse(&body),
        });
        let broken = |why: Stuck| {
            let (node, why) = ("the retrieved document".to_owned(), format!("not read: {why}"));
            TreeError::Invalid { node, why }
        };
        read.await.map_err(broken)?
    }
}

/// A ServerURI with this device's values in it (TS 6.2).
pub(super) fn expand(server_uri: &str, context: &Context<'_>) -> Result<Uri, CommandError> {
    Template::parse(server_uri)
        .and_then(|template| template.expand(&|parameter| context.parameters.value(parameter)))
        .map_err(CommandError::ServerUri)
}

/// GETs a document. `leaf_types` are the media types of the leaf that it is for.
pub(super) async fn fetch(
    uri: Uri,
    leaf_types: &[String],
    context: &mut Context<'_>,
) -> Result<Fetched, CommandError> {
    let mut accept = media::ACCEPT.to_owned();
    for leaf_type in leaf_types {
        accept = format!("{accept}, {leaf_type};q=0.5");
    }
    let accept = HeaderValue::try_from(accept).unwrap_or(HeaderValue::from_static(media::ACCEPT));
    let mut request = Request { peer: Peer::Repository, ..Request::new(Method::GET, uri) };
    request.headers.push((ACCEPT, accept));
    request.max_body = MOST_RETRIEVED;
    let response = follow(request, &[301, 302, 303, 307, 308], context.connection).await?;
    // What has no document is no document, and a part of one neither.
    if !(200..300).contains(&response.status) || matches!(response.status, 204..=206) {
        return Err(CommandError::Repository(response.status));
    }
    let content_type =
        response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Fetched { content_type: content_type.to_owned(), body: response.body })
}

/// PUTs or POSTs serialised MOs. A repository that takes another type than the server said gets that, once.
pub(super) async fn deliver(
    method: Method,
    uri: Uri,
    content_type: &'static str,
    batch: &Batch,
    context: &mut Context<'_>,
) -> Result<(), CommandError> {
    let upload = Upload {
        method,
        uri,
        batch,
        tree: context.tree,
        parameters: context.parameters,
        visitor: context.visitor,
    };
    match upload.send_as(content_type, context.connection).await?.status {
        200..300 => Ok(()),
        status => Err(CommandError::Repository(status)),
    }
}

/// Serialised MOs on their way to a data repository.
pub(crate) struct Upload<'a> {
    /// PUT or POST.
    pub(crate) method: Method,
    /// Where to.
    pub(crate) uri: Uri,
    /// What is sent.
    pub(crate) batch: &'a Batch,
    /// Where they are from.
    pub(crate) tree: &'a Tree,
    /// The device's values.
    pub(crate) parameters: &'a Parameters,
    /// The server that wants it.
    pub(crate) visitor: Visitor<'a>,
}

impl Upload<'_> {
    /// Sends them as DM 2.0's JSON, or as the repository asks for.
    pub(crate) async fn send(&self, connection: &mut Connection) -> Result<Response, CommandError> {
        self.send_as(media::DMMO_JSON, connection).await
    }

    /// Sends them in this type. The repository may answer 415 and say what it takes (approved profile): then in that.
    /// Any other status is a response.
    async fn send_as(
        &self,
        content_type: &'static str,
        connection: &mut Connection,
    ) -> Result<Response, CommandError> {
        let response = self.offer(content_type, connection).await?;
        if response.status != 415 {
            return Ok(response);
        }
        let header = response.headers.get_all(OMADM_ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wanted = header.collect::<Vec<_>>().join(", ");
        let mut types: Vec<_> = wanted.split(',').map(str::trim).collect();
        types.retain(|other| !is_media_type(other, content_type));
        let other = media::choose(&types).filter(|other| *other != content_type);
        let refused = CommandError::NotAcceptable { accepted: wanted.clone(), profile: self.profile() };
        let response = self.offer(other.ok_or(refused)?, connection).await?;
        if response.status == 415 {
            return Err(CommandError::NotAcceptable { accepted: wanted, profile: self.profile() });
        }
        Ok(response)
    }

    fn profile(&self) -> Profile {
        self.visitor.account.profile
    }

    async fn offer(
        &self,
        content_type: &'static str,
        connection: &mut Connection,
    ) -> Result<Response, CommandError> {
        let (body, produced) = match content_type {
            media::TNDS_XML => (tnds_of(self.batch, self.tree, self.profile()).await?, None),
            _ => array_of(self.batch, self.profile()).await?,
        };
        let request = Request::new(self.method.clone(), self.uri.clone());
        let mut request = Request { peer: Peer::Repository, body, produced, ..request };
        request.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        if is_own(&request.uri, connection) {
            let dev_id = HeaderValue::try_from(self.parameters.dev_id()).ok();
            request.headers.extend(dev_id.map(|dev_id| (DEV_ID, dev_id)));
        }
        follow(request, &[307, 308], connection).await
    }
}

/// A JSON array: whole if it is small, else produced while it is sent. What would go wrong then goes wrong now.
async fn array_of(batch: &Batch, profile: Profile) -> Result<(Bytes, Option<Produced>), TreeError> {
    let mut first = Vec::new();
    let (mut length, mut count) = (0_u64, 0);
    for piece in batch.array(profile) {
        let piece = piece?;
        length += piece.len() as u64;
        count += 1;
        if length > MOST_SENT as u64 {
            return Err(TreeError::TooLarge("what is addressed".to_owned()));
        }
        if count == 1 {
            first = piece;
        }
        tokio::task::yield_now().await;
    }
    if count <= 1 {
        return Ok((first.into(), None));
    }
    let batch = batch.clone();
    let start = move || -> Pieces {
        let boxed = |error: TreeError| -> ProduceError { error.into() };
        Box::new(batch.array(profile).map(move |piece| piece.map(Bytes::from).map_err(boxed)))
    };
    Ok((Bytes::new(), Some(Produced { length, start: Arc::new(start) })))
}

/// A DM 1.x document: a tree with a root each.
async fn tnds_of(batch: &Batch, tree: &Tree, profile: Profile) -> Result<Bytes, TreeError> {
    let documents = batch.documents(Profile::Draft, MOST_XML).await?;
    let xml = tnds::write(&documents, |moid| tree.object_for(moid, profile), MOST_XML);
    let invalid =
        |error: TndsError| TreeError::Invalid { node: media::TNDS_XML.to_owned(), why: error.to_string() };
    Ok(xml.map_err(invalid)?.into())
}

/// Which device it is, the account's own servers may know; others learn it where the ServerURI says so.
fn is_own(uri: &Uri, connection: &Connection) -> bool {
    connection.admit(uri).is_ok_and(|standing| standing == Standing::Own)
}

/// Sends a request and follows redirects of these statuses.
async fn follow(
    mut request: Request,
    statuses: &[u16],
    connection: &mut Connection,
) -> Result<Response, CommandError> {
    for _ in 0..=MOST_REDIRECTS {
        let response = connection.send(&request).await?;
        if !statuses.contains(&response.status) {
            return Ok(response);
        }
        let next = redirected(&request.uri, &response.headers).map_err(CommandError::Redirect)?;
        if !is_own(&next, connection) {
            request.headers.retain(|(name, _)| *name != DEV_ID);
        }
        request.uri = next;
    }
    Err(CommandError::Redirect("too many"))
}

/// Where a redirect leads. Never from https to http; whether http is allowed at all, the transport knows.
pub(crate) fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, &'static str> {
    let location = headers.get(LOCATION).ok_or("no Location")?;
    let next = location.to_str().ok().and_then(|location| resolve(from, location));
    let next = next.ok_or("Location is not a URI")?;
    match (Origin::of(from), Origin::of(&next)) {
        (_, Err(_)) => Err("Location is no http(s) URI"),
        (Ok(from), Ok(next)) if from.secure && !next.secure => Err("from https to http"),
        _ => Ok(next),
    }
}

/// A Location, which may be relative, as an absolute URI.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or(location);
    if let Ok(absolute) = location.parse::<Uri>()
        && absolute.scheme().is_some()
    {
        return Some(absolute);
    }
    let mut parts = base.clone().into_parts();
    if let Some(rest) = location.strip_prefix("//") {
        return format!("{}://{rest}", base.scheme_str()?).parse().ok();
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else if location.starts_with('?') {
        format!("{}{location}", base.path())
    } else {
        let folder = base.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{location}")
    };
    parts.path_and_query = Some(without_dots(&path).parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// RFC 3986 5.2.4: `.` and `..` are steps, not names.
fn without_dots(path_and_query: &str) -> String {
    let end = path_and_query.find('?').unwrap_or(path_and_query.len());
    let (path, query) = path_and_query.split_at_checked(end).unwrap_or((path_and_query, ""));
    let mut kept: Vec<&str> = Vec::new();
    let mut steps = path.split('/').skip(1).peekable();
    while let Some(step) = steps.next() {
        match step {
            "." | ".." => {
                if step == ".." {
                    kept.pop();
                }
                if steps.peek().is_none() {
                    kept.push("");
                }
            }
            name => kept.push(name),
        }
    }
    format!("/{}{query}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context as Task, Waker};
    use std::time::Instant;

    use super::*;
    use crate::backend::Machine;
    use crate::store::Store;
    use crate::tree::SessionFacts;

    #[test]
    fn a_document_is_not_read_on_the_agents_thread() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let machine = Arc::new(Machine { sysroot: "/".into(), bus: crate::backend::Bus::none() });
        let tree = Arc::new(Tree::new(Vec::new(), Vec::new(), store, machine, Instant::now()));
        let account = Arc::new(crate::tree::tests::account("acme", 7));
        let visitor = Visitor { account: &account, session: SessionFacts::default() };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            // The store's thread is busy all the time: it is not the one that reads documents.
            let (store_free, store_busy) = std::sync::mpsc::channel::<()>();
            let store = tokio::task::spawn_blocking(move || store_busy.recv());
            for content_type in [media::TNDS_XML, media::DMMO_JSON] {
                // While all threads of documents are busy, nothing can have been read.
                let (free, busy) = std::sync::mpsc::channel::<()>();
                let busy = Arc::new(std::sync::Mutex::new(busy));
                let mut occupied = tokio::task::JoinSet::new();
                for _ in 0..DOCUMENTS.threads() {
                    let busy = Arc::clone(&busy);
                    occupied.spawn(DOCUMENTS.run(move || busy.lock().unwrap().recv().is_ok()));
                }
                tokio::task::yield_now().await;
                let fetched = Fetched { content_type: content_type.to_owned(), body: "<".into() };
                let mut reading = std::pin::pin!(fetched.documents(None, &tree, &visitor));
                let polled = reading.as_mut().poll(&mut Task::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "{content_type}: it was read on this thread");
                drop(free);
                assert!(reading.await.is_err());
            }
            drop(store_free);
            assert!(store.await.unwrap().is_err());
        });
    }

    #[test]
    fn locations_are_resolved_against_the_request() {
        let base: Uri = "https://r.example:8443/a/b?c".parse().unwrap();
        for (location, expected) in [
            ("https://other.example/x", "https://other.example/x"),
            ("//other.example/x", "https://other.example/x"),
            ("/x?y#z", "https://r.example:8443/x?y"),
            ("x", "https://r.example:8443/a/x"),
            ("?y", "https://r.example:8443/a/b?y"),
            ("../x?../y", "https://r.example:8443/x?../y"),
            ("../../../x/./y/..", "https://r.example:8443/x/"),
            ("/a//b/", "https://r.example:8443/a//b/"),
            ("..", "https://r.example:8443/"),
        ] {
            assert_eq!(resolve(&base, location), Some(expected.parse().unwrap()), "{location}");
        }
        assert_eq!(resolve(&base, "x y"), None);
    }
}
