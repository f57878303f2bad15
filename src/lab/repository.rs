//! A data repository: GET serves documents, PUT and POST keep what comes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Method;
use hyper::body::Bytes;

use super::reply::Reply;
use super::tape::Request;

/// Documents by path. Cloning it gives another handle to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Repository(Arc<Mutex<BTreeMap<String, Document>>>);

/// A document with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The Content-Type.
    pub content_type: String,
    /// The bytes of the document.
    pub body: Bytes,
}

impl Repository {
    /// Puts a document at `path`, which starts with `/`.
    pub fn put(&self, path: &str, content_type: &str, body: impl Into<Bytes>) {
        let document = Document { content_type: content_type.to_owned(), body: body.into() };
        self.documents().insert(path.to_owned(), document);
    }

    /// The document at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Document> {
        self.documents().get(path).cloned()
    }

    /// The paths that hold a document, in order.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.documents().keys().cloned().collect()
    }

    /// Makes the handler for a [`Server`](super::Server).
    pub fn handler(&self) -> impl FnMut(&Request) -> Reply + Send + use<> {
        let repository = self.clone();
        move |request| repository.answer(request)
    }

    fn answer(&self, request: &Request) -> Reply {
        match request.method {
            Method::GET => match self.get(&request.path) {
                Some(document) => Reply::ok(&document.content_type, document.body),
                None => Reply::status(404),
            },
            Method::PUT | Method::POST => {
                let known = self.get(&request.path).is_some();
                self.put(&request.path, request.header("content-type"), request.body.clone());
                Reply::status(if known { 204 } else { 201 })
            }
            _ => Reply::status(405),
        }
    }

    fn documents(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Document>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
