//! The packages' contents, whatever their profile.

use super::verb::Verb;
use crate::uri::Moid;

/// One command of a Package#2, as received: nothing is known yet about its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The verb: what the command asks for.
    pub verb: Verb,
    /// The parameters; none where one of them is no string or the shape is wrong (status 400).
    pub parameters: Option<Vec<String>>,
}

/// Package#2 (TS 5.2.3, 7.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Package2 {
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// `SessionInfo.AcceptMO`: media types the server takes MO data in, in lower case and without parameters,
    /// most wanted first; last, with `;q=0`, those it does not take. None: it did not say.
    pub accept_mo: Option<Vec<String>>,
    /// `Results`: the server's statuses for alerts, by position in the package that carried them; 0 where one can't be
    /// read.
    pub results: Vec<u16>,
}

/// The status of one command (TS 7.4, Appendix C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The status code: 200, 404, 1503…
    pub code: u16,
    /// Additional strings: the URI where HGET stored, for one.
    pub extra: Vec<String>,
}

/// A management object the client supports, one member of `MOS` (TS 5.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedMo {
    /// The link to the DDF.
    pub ddf: String,
    /// The MOID.
    pub moid: Moid,
    /// The MIIDs of the instances that the server has any right on.
    pub miids: Vec<String>,
}

/// A Generic Alert (TS 5.3, 7.6).
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The alert's type, a URN.
    pub alert_type: String,
    /// The MIME type of the data.
    pub mime_type: Option<String>,
    /// The place where the event happened: a ClientURI.
    pub source_uri: Option<String>,
    /// The object that the alert is about (approved profile).
    pub target_uri: Option<String>,
    /// The importance: `fatal`, `critical`, `minor`, `warning`, `informational`, `harmless`, `indeterminate`.
    pub mark: Option<String>,
    /// The data, a JSON object.
    pub data: Option<serde_json::Value>,
}

/// Package#1 (TS 5.2.2, 7.2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Package1 {
    /// The supported MOs, if and only if the notification asked for them.
    pub mos: Option<Vec<SupportedMo>>,
    /// The alerts waiting for this server.
    pub alerts: Vec<Alert>,
    /// The objects that the notification's Requested-MO-CV options asked for (CR 001, 8.1.2.1).
    pub requested: Vec<RequestedMo>,
    /// The reasons why the session is held: the approved profile's mandatory alerts. The draft has no place for them.
    pub reasons: Vec<Reason>,
}

/// One member of Package#1's `MOD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestedMo {
    /// An instance that the server has as it is.
    Fresh {
        /// The ClientURI of the instance.
        client_uri: String,
    },
    /// An instance that the server lacks or has otherwise: the JSON object of its serialisation.
    Stale(String),
}

/// Why a session is held (approved profile).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A notification asked for the session; its NOTIFICATION-ID, if it has one.
    Server(Option<u16>),
    /// The client has something to say, or its schedule says so.
    Client,
    /// The account is new: no session with its server has come to its end yet.
    Bootstrap,
}

/// The data of one GET (TS Appendix E).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The position of the command in its Package#2, from 1.
    pub position: usize,
    /// The media type.
    pub content_type: String,
    /// The bytes of the data.
    pub body: Vec<u8>,
}

/// Package#3 (TS 5.2.4, 7.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Package3 {
    /// The statuses of the commands, one each, in their order.
    pub statuses: Vec<Status>,
    /// The data of the GETs that have some.
    pub parts: Vec<Part>,
    /// The alerts raised during the session.
    pub alerts: Vec<Alert>,
}

/// A package ready to be posted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The Content-Type header, its parameters included.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// The head of a serialised management object, or of part of one: where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct MoHead<'a> {
    /// The link to the DDF.
    pub ddf: &'a str,
    /// The MOID.
    pub moid: &'a Moid,
    /// The MIID.
    pub miid: &'a str,
    /// The ClientURI of the node.
    pub client_uri: &'a str,
}
