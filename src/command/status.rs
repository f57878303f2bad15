//! Status codes (TS Appendix C), of what was done and of what was not: they are chosen in this place alone. Only what a
//! program's end means is said elsewhere: by its mapping (`exec`).

use crate::backend::BackendError;
use crate::command::Over;
use crate::exec::ExecError;
use crate::mo::value::excerpt;
use crate::package::{Profile, Status, Verb};
use crate::repository::RepositoryError;
use crate::transport::{Failure, Refused, Remedy, TransportError, is_temporary};
use crate::tree::TreeError;
use crate::uri::client::ClientUriError;
use crate::uri::server::ServerUriError;

/// Why a command was not executed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The verb is none that the account's profile has.
    #[error("unknown command")]
    Unknown,
    /// The command has a wrong number or type of parameters.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The ClientURI is wrong.
    #[error("ClientURI: {0}")]
    ClientUri(#[source] ClientUriError),
    /// The ServerURI is wrong.
    #[error("ServerURI: {0}")]
    ServerUri(#[source] ServerUriError),
    /// The agent doesn't go to the ServerURI.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The settings forbid CONT to this origin.
    #[error("{0} is not among the origins that CONT may lead to")]
    NotContinued(String),
    /// The account does not list the MOID.
    #[error("{0} is not in the account's permissions")]
    NotPermitted(String),
    /// The tree refuses the command.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A data repository was not read or written.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The data repository sent a media type that can't be stored.
    #[error("media type {} is not supported", excerpt(.0))]
    MediaType(String),
    /// SHOW has no browser configured.
    #[error("no browser is configured (show.browser)")]
    NoBrowser,
    /// The browser did not start.
    #[error("the browser did not start: {0}")]
    Browser(std::io::Error),
    /// The GETs of the package, or of all sessions, bring as much as they may.
    #[error(transparent)]
    TooMuchData(#[from] Over),
    /// A server has subscribed to as much as it may.
    #[error("the server has {0} subscriptions already")]
    TooManySubscriptions(usize),
    /// An EXEC or a SHOW can't begin.
    #[error(transparent)]
    Exec(ExecError),
    /// The package has searched for nodes by their values as long as it may.
    #[error("the package's searches for nodes by value have taken the {0} s that they may")]
    SearchTime(u64),
    /// The agent is about to end.
    #[error("the agent stops")]
    Stopped,
}

/// The result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The status for Package#3.
    pub status: Status,
    /// The data of a GET: media type and bytes.
    pub data: Option<(String, Vec<u8>)>,
    /// The address that further packages go to, after CONT (TS 5.4.8).
    pub continue_at: Option<String>,
}

impl Done {
    /// 200: the command was executed.
    pub(super) fn ok() -> Self {
        Self::with(200)
    }

    /// 200 with a GET's data: its media type and the bytes.
    pub(super) fn data(mime: String, body: Vec<u8>) -> Self {
        Self { data: Some((mime, body)), ..Self::ok() }
    }

    /// 200, and further packages go to this URI (TS 5.4.8).
    pub(super) fn continue_at(uri: String) -> Self {
        Self { continue_at: Some(uri), ..Self::ok() }
    }

    /// 201: instances were made; their ClientURIs follow the code (TS 5.4.1).
    pub(super) fn created(client_uris: Vec<String>) -> Self {
        let mut done = Self::with(201);
        done.status.extra = client_uris;
        done
    }

    /// 202: the command has begun or will, and what comes of it is told later.
    pub(super) fn accepted() -> Self {
        Self::with(202)
    }

    /// 204: there is nothing at that node.
    pub(super) fn no_content() -> Self {
        Self::with(204)
    }

    /// 304: it is what the server has already.
    pub(super) fn not_modified() -> Self {
        Self::with(304)
    }

    /// The status of a program's end, as its mapping has it.
    pub(super) fn of_program(code: u16) -> Self {
        Self::with(code)
    }

    /// The status of a command that was not executed.
    pub(super) fn failed(error: &CommandError, verb: &Verb) -> Self {
        Self::with(error.status(verb))
    }

    fn with(code: u16) -> Self {
        Self { status: Status { code, extra: Vec::new() }, data: None, continue_at: None }
    }
}

impl From<ExecError> for CommandError {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Tree(error) => Self::Tree(error),
            other => Self::Exec(other),
        }
    }
}

/// Whether the code may be the answer to a command of this verb: the column "Applied DM Commands" of TS Appendix C.
/// What it does not have is said of no other command (406 is the approved profile's).
fn applies(code: u16, verb: &Verb) -> bool {
    match code {
        201 | 415 | 506 => *verb == Verb::Hget,
        204 | 304 => matches!(verb, Verb::Get | Verb::Hput | Verb::Hpost),
        406 => matches!(verb, Verb::Hput | Verb::Hpost),
        _ => true,
    }
}

impl CommandError {
    /// The code that Package#3 carries for a command of this verb: 500 where the one that fits best isn't that
    /// command's.
    #[must_use]
    pub fn status(&self, verb: &Verb) -> u16 {
        Some(self.code()).filter(|code| applies(*code, verb)).unwrap_or(500)
    }

    /// Whether a bound of this device refuses the command, which an operator may want to widen, or to make room for.
    pub(super) fn is_bound(&self) -> bool {
        match self {
            Self::TooMuchData(_) | Self::SearchTime(_) | Self::TooManySubscriptions(_) => true,
            Self::Tree(error) | Self::Repository(RepositoryError::Tree(error)) => match error {
                TreeError::TooLarge(_)
                | TreeError::ListsTooLarge { .. }
                | TreeError::TooMany(_)
                | TreeError::Full(_)
                | TreeError::TooLong(_) => true,
                TreeError::Store(error) => error.is_full(),
                TreeError::Backend { source, .. } => source.is_full(),
                _ => false,
            },
            Self::Repository(RepositoryError::Transport(TransportError::Failed { failure, .. })) => {
                matches!(failure, Failure::TooLarge(_))
            }
            _ => false,
        }
    }

    /// The code that fits best.
    fn code(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::ClientUri(_) | Self::ServerUri(_) => 400,
            Self::Refused(refused) => of_refused(refused),
            Self::NotContinued(_) | Self::NotPermitted(_) => 403,
            Self::Tree(error) => of_tree(error),
            Self::Repository(error) => of_repository(error),
            Self::MediaType(_) => 415,
            Self::Browser(_) | Self::TooManySubscriptions(_) => 500,
            Self::Exec(_) | Self::Stopped | Self::TooMuchData(_) | Self::SearchTime(_) => 503,
            Self::Unknown | Self::NoBrowser => 501,
        }
    }
}

fn of_refused(refused: &Refused) -> u16 {
    if matches!(refused, Refused::Uri(_)) { 400 } else { 403 }
}

fn of_repository(error: &RepositoryError) -> u16 {
    match error {
        RepositoryError::Tree(error) => of_tree(error),
        RepositoryError::Transport(TransportError::Refused(refused)) => of_refused(refused),
        RepositoryError::Transport(error) if error.remedy() == Remedy::Retry => 503,
        RepositoryError::NotAcceptable { profile: Profile::Approved, .. } => 406,
        RepositoryError::Status(status) if is_temporary(*status) => 503,
        RepositoryError::Transport(_)
        | RepositoryError::Status(_)
        | RepositoryError::Redirect(_)
        | RepositoryError::NotAcceptable { .. } => 500,
    }
}

fn of_tree(error: &TreeError) -> u16 {
    match error {
        TreeError::NotFound(_) | TreeError::NotUnique(_) => 404,
        TreeError::Forbidden(_) | TreeError::NotDelegable { .. } => 403,
        TreeError::NotAllowed { .. } => 405,
        TreeError::Unsupported(_) => 501,
        TreeError::Unavailable { .. } => 503,
        TreeError::Full(_) | TreeError::TooLong(_) => 506,
        TreeError::Store(error) if error.is_full() => 506,
        TreeError::Backend { source, .. } if source.is_full() => 506,
        TreeError::Backend { source: BackendError::Stuck { .. } | BackendError::NotNow(_), .. } => 503,
        TreeError::Backend {
            source: BackendError::Unsupported(_) | BackendError::NeedsHelper(_), ..
        } => 501,
        TreeError::Invalid { .. }
        | TreeError::TooLarge(_)
        | TreeError::ListsTooLarge { .. }
        | TreeError::TooMany(_)
        | TreeError::Backend { .. }
        | TreeError::NotVerified { .. }
        | TreeError::Store(_) => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn each_error_has_the_status_of_appendix_c() {
        let node = || "urn:m/1/N".to_owned();
        let why = String::new;
        let disk =
            |kind: std::io::ErrorKind| TreeError::Store(StoreError::from(redb::Error::Io(kind.into())));
        let full_file =
            BackendError::File { path: "/f".into(), error: std::io::ErrorKind::StorageFull.into() };
        let hung =
            BackendError::Stuck { path: "/f".into(), stuck: crate::base::lane::Stuck::NoThread("files") };
        let of_tree = [
            (TreeError::NotFound(node()), 404),
            (TreeError::NotUnique(node()), 404),
            (TreeError::Forbidden(node()), 403),
            (TreeError::NotDelegable { entry: node(), why: "" }, 403),
            (TreeError::NotAllowed { node: node(), what: "" }, 405),
            (TreeError::Unsupported(""), 501),
            (TreeError::Invalid { node: node(), why: why() }, 500),
            (TreeError::Unavailable { node: node(), why: why() }, 503),
            (TreeError::Backend { node: node(), source: BackendError::Unsupported("D-Bus") }, 501),
            (TreeError::Backend { node: node(), source: BackendError::NeedsHelper(why()) }, 501),
            (
                TreeError::Backend { node: node(), source: BackendError::List { from: node(), why: why() } },
                500,
            ),
            (TreeError::Backend { node: node(), source: hung }, 503),
            (TreeError::Backend { node: node(), source: BackendError::NotNow(why()) }, 503),
            (TreeError::NotVerified { node: node(), read: String::new() }, 500),
            (TreeError::TooLarge(node()), 500),
            (TreeError::ListsTooLarge { node: node(), most: 1 }, 500),
            (TreeError::TooMany(node()), 500),
            (TreeError::Full(node()), 506),
            (TreeError::TooLong(node()), 506),
            (TreeError::Backend { node: node(), source: full_file }, 506),
            (TreeError::Store(StoreError::Quota(1)), 506),
            (disk(std::io::ErrorKind::StorageFull), 506),
            (disk(std::io::ErrorKind::InvalidData), 500),
        ];
        for (error, expected) in of_tree {
            let shown = error.to_string();
            assert_eq!(CommandError::from(error).code(), expected, "{shown}");
        }
        let accepted = |profile| {
            CommandError::from(RepositoryError::NotAcceptable { accepted: "text/html".into(), profile })
        };
        let answer = |status| CommandError::from(RepositoryError::Status(status));
        let others = [
            (CommandError::Unknown, 501),
            (CommandError::Malformed(""), 400),
            (CommandError::NotContinued(why()), 403),
            (CommandError::NotPermitted(why()), 403),
            (CommandError::MediaType("text/html".into()), 415),
            (accepted(Profile::Draft), 500),
            (accepted(Profile::Approved), 406),
            (answer(204), 500),
            (answer(404), 500),
            (answer(408), 503),
            (answer(429), 503),
            (answer(500), 503),
            (CommandError::SearchTime(10), 503),
            (RepositoryError::Redirect("too many").into(), 500),
            (CommandError::NoBrowser, 501),
            (CommandError::Browser(std::io::ErrorKind::NotFound.into()), 500),
            (CommandError::TooManySubscriptions(64), 500),
            (Over::Package(1).into(), 503),
            (Over::All.into(), 503),
            (ExecError::Busy.into(), 503),
            (ExecError::Crowded.into(), 503),
            (ExecError::Running(node()).into(), 503),
            (ExecError::from(TreeError::Full(node())).into(), 506),
        ];
        for (error, expected) in others {
            assert_eq!(error.code(), expected, "{error}");
        }
    }

    /// The third column of TS Appendix C, row by row.
    #[test]
    fn each_status_is_said_of_the_commands_that_it_applies_to() {
        const ALL: [Verb; 12] = Verb::KNOWN;
        let sending: &[Verb] = &[Verb::Get, Verb::Hput, Verb::Hpost];
        for (code, commands) in [
            (200, &ALL[..]),
            (201, &[Verb::Hget]),
            (202, &ALL),
            (204, sending),
            (304, sending),
            (400, &ALL),
            (403, &ALL),
            (404, &ALL),
            (405, &ALL),
            (415, &[Verb::Hget]),
            (500, &ALL),
            (501, &ALL),
            (503, &ALL),
            (506, &[Verb::Hget]),
            (507, &ALL),
            (1000, &ALL),
            (1999, &ALL),
        ] {
            let found: Vec<Verb> = ALL.into_iter().filter(|verb| applies(code, verb)).collect();
            let expected: Vec<Verb> = ALL.into_iter().filter(|command| commands.contains(command)).collect();
            assert_eq!(found, expected, "{code}");
        }
        let (node, url) = (|| "urn:m/1/N".to_owned(), || "https://r.example/".to_owned());
        for command in ALL {
            let hget = |code| if command == Verb::Hget { code } else { 500 };
            let status = |error: CommandError| error.status(&command);
            assert_eq!(status(CommandError::MediaType("text/html".into())), hget(415), "{command}");
            assert_eq!(status(TreeError::Full(node()).into()), hget(506), "{command}");
            assert_eq!(status(TreeError::TooLong(node()).into()), hget(506), "{command}");
            assert_eq!(status(TreeError::Store(StoreError::Quota(1)).into()), hget(506), "{command}");
            assert_eq!(status(TreeError::NotFound(node()).into()), 404, "{command}");
            assert_eq!(status(CommandError::NotContinued(url())), 403, "{command}");
        }
    }

    #[test]
    fn what_a_bound_refuses_is_told_from_what_is_wrong() {
        let node = || "urn:m/1/N".to_owned();
        for bound in [
            Over::Package(1).into(),
            Over::All.into(),
            CommandError::TooManySubscriptions(64),
            TreeError::TooLarge(node()).into(),
            TreeError::ListsTooLarge { node: node(), most: 1 }.into(),
            TreeError::TooMany(node()).into(),
            TreeError::Full(node()).into(),
            TreeError::TooLong(node()).into(),
            TreeError::Store(StoreError::Quota(1)).into(),
        ] {
            assert!(bound.is_bound(), "{bound}");
        }
        for other in [
            CommandError::Unknown,
            RepositoryError::Status(507).into(),
            TreeError::NotFound(node()).into(),
            TreeError::Invalid { node: node(), why: String::new() }.into(),
            ExecError::Busy.into(),
        ] {
            assert!(!other.is_bound(), "{other}");
        }
    }

    #[test]
    fn what_a_server_sends_is_cut_in_the_journal() {
        assert!(CommandError::MediaType("x".repeat(10_000)).to_string().len() < 200);
    }
}
