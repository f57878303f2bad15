//! HTTP with data repositories (TS 5.1.4): what HGET, HPUT, HPOST and subscriptions share.

pub(crate) mod media;

mod error;
mod redirect;

pub(crate) use error::RepositoryError;
pub(crate) use redirect::{FollowError, follow};

use std::sync::Arc;

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Uri};

use crate::agent_state::Parameters;
use crate::base::lane::{DOCUMENTS, Stuck};
use crate::mo::tnds::{self, TndsError};
use crate::package::{Profile, is_media_type};
use crate::transport::{Connection, PeerRole, Pieces, ProduceError, Produced, Request, Response, Standing};
use crate::tree::{Batch, Document, NodeRef, Principal, Tree, TreeError};

/// The largest document that is retrieved, once unpacked.
const MOST_RETRIEVED: usize = 4 << 20;
/// The most bytes that are sent: a URI may stand there any number of times.
const MOST_SENT: usize = 64 << 20;
/// The largest DM 1.x document that is sent; it is made in memory.
const MOST_XML: usize = 16 << 20;
const DEV_ID: HeaderName = HeaderName::from_static("omadm-devid");
/// The header by which a repository that answers 415 says which types it takes (approved profile).
const OMADM_ACCEPT: &str = "omadm-accept";

/// The document that a repository sent.
pub(crate) struct Fetched {
    /// The Content-Type, as sent.
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

impl Fetched {
    /// The serialised management objects in the document, at least one; for `target` if the server named one. Read off
    /// the agent's thread: it may be large, and made to be slow.
    pub(crate) async fn documents(
        &self,
        target: Option<&NodeRef>,
        tree: &Arc<Tree>,
        principal: &Principal<'_>,
    ) -> Result<Vec<Document>, TreeError> {
        let is_xml = is_media_type(&self.content_type, media::TNDS_XML);
        let (body, target, tree) = (self.body.clone(), target.cloned(), Arc::clone(tree));
        let (account, session) = (Arc::clone(principal.account), principal.session);
        let read = DOCUMENTS.run(move || match is_xml {
            true => {
                let principal = Principal { account: &account, session };
                Document::parse_tnds(&body, target.as_ref(), &tree, &principal)
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

/// Fetches a document by GET. `leaf_types` are the media types of the leaf that it is for.
pub(crate) async fn fetch(
    uri: Uri,
    leaf_types: &[String],
    connection: &mut Connection,
) -> Result<Fetched, RepositoryError> {
    let mut accept = media::ACCEPT.to_owned();
    for leaf_type in leaf_types {
        accept = format!("{accept}, {leaf_type};q=0.5");
    }
    let accept = HeaderValue::try_from(accept).unwrap_or(HeaderValue::from_static(media::ACCEPT));
    let mut request = Request { role: PeerRole::Repository, ..Request::new(Method::GET, uri) };
    request.headers.push((ACCEPT, accept));
    request.max_body = MOST_RETRIEVED;
    let response = follow(&mut request, &[301, 302, 303, 307, 308], connection).await?;
    // What has no document is no document, and a part of one neither.
    if !(200..300).contains(&response.status) || matches!(response.status, 204..=206) {
        return Err(RepositoryError::Status(response.status));
    }
    let content_type =
        response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Fetched { content_type: content_type.to_owned(), body: response.body })
}

/// Serialised MOs on their way to a data repository.
pub(crate) struct Upload<'a> {
    /// The method, PUT or POST.
    pub(crate) method: Method,
    /// The URI to send to.
    pub(crate) uri: Uri,
    /// The nodes to send.
    pub(crate) batch: &'a Batch,
    /// The tree that they are from.
    pub(crate) tree: &'a Tree,
    /// The device's values of parameters.
    pub(crate) parameters: &'a Parameters,
    /// The server that wants them sent.
    pub(crate) principal: Principal<'a>,
}

impl Upload<'_> {
    /// Sends the nodes in this type; a repository that takes another gets that, once.
    ///
    /// # Errors
    /// They were not taken.
    pub(crate) async fn deliver(
        &self,
        content_type: &'static str,
        connection: &mut Connection,
    ) -> Result<(), RepositoryError> {
        match self.send_as(content_type, connection).await?.status {
            200..300 => Ok(()),
            status => Err(RepositoryError::Status(status)),
        }
    }

    /// Sends the nodes as DM 2.0's JSON, or as the repository asks for.
    pub(crate) async fn send(&self, connection: &mut Connection) -> Result<Response, RepositoryError> {
        self.send_as(media::DMMO_JSON, connection).await
    }

    /// Sends the nodes in this type. The repository may answer 415 and say what it takes (approved profile): then in
    /// that. Any other status is a response.
    async fn send_as(
        &self,
        content_type: &'static str,
        connection: &mut Connection,
    ) -> Result<Response, RepositoryError> {
        let response = self.offer(content_type, connection).await?;
        if response.status != 415 {
            return Ok(response);
        }
        let header = response.headers.get_all(OMADM_ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wanted = header.collect::<Vec<_>>().join(", ");
        let mut types: Vec<_> = wanted.split(',').map(str::trim).collect();
        types.retain(|other| !is_media_type(other, content_type));
        let other = media::choose(&types).filter(|other| *other != content_type);
        let refused = RepositoryError::NotAcceptable { accepted: wanted.clone(), profile: self.profile() };
        let response = self.offer(other.ok_or(refused)?, connection).await?;
        if response.status == 415 {
            return Err(RepositoryError::NotAcceptable { accepted: wanted, profile: self.profile() });
        }
        Ok(response)
    }

    fn profile(&self) -> Profile {
        self.principal.account.profile
    }

    async fn offer(
        &self,
        content_type: &'static str,
        connection: &mut Connection,
    ) -> Result<Response, RepositoryError> {
        let (body, produced) = match content_type {
            media::TNDS_XML => (tnds_of(self.batch, self.tree, self.profile()).await?, None),
            _ => array_of(self.batch, self.profile()).await?,
        };
        let request = Request::new(self.method.clone(), self.uri.clone());
        let mut request = Request { role: PeerRole::Repository, body, produced, ..request };
        request.headers.push((CONTENT_TYPE, HeaderValue::from_static(content_type)));
        if is_own(&request.uri, connection) {
            let dev_id = HeaderValue::try_from(self.parameters.dev_id()).ok();
            request.headers.extend(dev_id.map(|dev_id| (DEV_ID, dev_id)));
        }
        Ok(follow(&mut request, &[307, 308], connection).await?)
    }
}

/// The nodes as a JSON array: whole if it is small, else produced while it is sent. What would go wrong then goes wrong
/// now.
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

/// The nodes as a DM 1.x document: a tree with a root each.
async fn tnds_of(batch: &Batch, tree: &Tree, profile: Profile) -> Result<Bytes, TreeError> {
    let documents = batch.documents(Profile::Draft, MOST_XML).await?;
    let xml = tnds::write(&documents, |moid| tree.object_for(moid, profile), MOST_XML);
    let invalid =
        |error: TndsError| TreeError::Invalid { node: media::TNDS_XML.to_owned(), why: error.to_string() };
    Ok(xml.map_err(invalid)?.into())
}

/// Whether a request to `uri` may say which device it is from: the account's own servers may know; others learn it
/// where the ServerURI says so.
fn is_own(uri: &Uri, connection: &Connection) -> bool {
    connection.admit(uri).is_ok_and(|standing| standing == Standing::Own)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context as Task, Waker};
    use std::time::Instant;

    use crate::backend::Machine;
    use crate::repository::*;
    use crate::store::Store;
    use crate::tree::SessionFacts;

    #[test]
    fn a_document_is_not_read_on_the_agents_thread() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap().store;
        let machine = Arc::new(Machine::new("/".into(), crate::backend::Bus::none()));
        let tree = Arc::new(Tree::new(Vec::new(), Vec::new(), store, machine, Instant::now()));
        let account = Arc::new(crate::tree::tests::account("acme", 7));
        let principal = Principal { account: &account, session: SessionFacts::default() };
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
                let mut reading = std::pin::pin!(fetched.documents(None, &tree, &principal));
                let polled = reading.as_mut().poll(&mut Task::from_waker(Waker::noop()));
                assert!(polled.is_pending(), "{content_type}: it was read on this thread");
                drop(free);
                assert!(reading.await.is_err());
            }
            drop(store_free);
            assert!(store.await.unwrap().is_err());
        });
    }
}
