//! The message of a bootstrap server: DM Account objects, or a Package#2 that says where they are (TS 8.2).

use serde_json::Value as Json;

use super::dmacc::{self, BroughtAccount, DmaccError};
use crate::base::Order as _;
use crate::config::{Settings, syntax};
use crate::package::{self, Command, Verb, is_media_type};
use crate::uri::Moid;
use crate::uri::ServerId;
use crate::uri::client::{ClientUri, Fields};

/// The most accounts of one device.
const MOST_ACCOUNTS: usize = 16;
/// The most commands of one bootstrap.
const MOST_COMMANDS: usize = 64;
/// The MOIDs of the DM Account object, of the draft and of the approved text.
const DMACC: [&str; 2] = ["urn:oma:mo:oma-dm-dmacc:2.0", "urn:oma:mo:oma-dm-dmacc:1.2"];
/// The media types of serialised management objects (TS 7.5).
const OBJECTS: [&str; 2] = ["application/dmmo+json", "application/vnd.oma.dm.mo+json"];
/// The Accept header for a bootstrap server's answer.
pub(super) const ACCEPT: &str =
    "application/dmmo+json, application/vnd.oma.dm.mo+json, application/vnd.oma.dm.request+json";

/// Why a body is no bootstrap. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The Content-Type is another one.
    #[error("content type {0:?}, expected serialised DM accounts or a Package#2")]
    ContentType(String),
    /// The body is not JSON.
    #[error("not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// The body is JSON, but no serialised object.
    #[error("object {number}: {why}")]
    Object {
        /// The number of the object, from 1.
        number: usize,
        /// The thing that it lacks.
        why: &'static str,
    },
    /// The body has an object of another MOID.
    #[error("object {number} is of {moid:?}, expected a DM account")]
    Moid {
        /// The number of the object, from 1.
        number: usize,
        /// The MOID that it has.
        moid: Moid,
    },
    /// The body has an account that can't be one.
    #[error("account {number}: {source}")]
    Account {
        /// The number of the account, from 1.
        number: usize,
        /// Why not.
        source: DmaccError,
    },
    /// The body has two accounts of one server.
    #[error("two accounts of {0:?}")]
    Twice(ServerId),
    /// The body has more accounts than a device.
    #[error("more than 16 accounts")]
    TooMany,
    /// The body has no account at all.
    #[error("no account")]
    None,
    /// The body is no Package#2.
    #[error(transparent)]
    Package(#[from] package::PackageError),
    /// The Package#2 has a command that a bootstrap can't have.
    #[error("command {number}: {why}")]
    Command {
        /// The number of the command, from 1.
        number: usize,
        /// The thing that is wrong with it.
        why: &'static str,
    },
}

/// The answer of a bootstrap server.
#[derive(Debug)]
pub(super) enum Message {
    /// The accounts themselves.
    Accounts(Vec<BroughtAccount>),
    /// Commands that lead to them.
    Commands(Vec<Step>),
}

/// A command of a bootstrap.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// HGET: retrieves an account, or an instance of another object.
    Retrieve {
        /// The ServerURI template.
        from: String,
        /// The place where what it brings belongs, if the command says so.
        target: Option<ClientUri>,
    },
    /// DEFAULT: says where configuration comes from (TS 5.4.10).
    Default {
        /// The ServerURI template.
        from: String,
        /// The MOID.
        moid: Moid,
    },
}

impl Message {
    /// Reads a whole answer.
    pub(super) fn read(content_type: &str, body: &[u8], settings: &Settings) -> Result<Self, MessageError> {
        if is_media_type(content_type, package::REQUEST) {
            return steps(content_type, body, settings).map(Self::Commands);
        }
        if !is_object_type(content_type) {
            return Err(MessageError::ContentType(content_type.chars().take(100).collect()));
        }
        let Objects { mut accounts, others } = Objects::read(body, settings)?;
        if let Some((number, moid)) = others.into_iter().map(|other| (other.number, other.moid)).next() {
            return Err(MessageError::Moid { number, moid });
        }
        check(&mut accounts)?;
        Ok(Self::Accounts(accounts))
    }
}

/// Whether a media type is that of serialised objects.
pub(super) fn is_object_type(content_type: &str) -> bool {
    OBJECTS.iter().any(|known| is_media_type(content_type, known))
}

/// Whether a MOID is that of DM accounts.
pub(super) fn is_dmacc(moid: &Moid) -> bool {
    DMACC.contains(&moid.as_str())
}

/// The serialised objects of a body: accounts, and what else there was.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) accounts: Vec<BroughtAccount>,
    pub(super) others: Vec<Other>,
}

/// An object that is no account.
#[derive(Debug)]
pub(super) struct Other {
    number: usize,
    pub(super) moid: Moid,
    pub(super) client_uri: Option<String>,
    pub(super) data: Json,
}

impl Objects {
    /// Reads one object, or an array of several.
    pub(super) fn read(body: &[u8], settings: &Settings) -> Result<Self, MessageError> {
        let json: Json = serde_json::from_slice(body).map_err(MessageError::Json)?;
        let all = match json {
            Json::Array(all) => all,
            one => vec![one],
        };
        // Before the work of reading them.
        if all.len() > MOST_ACCOUNTS {
            return Err(MessageError::TooMany);
        }
        let mut objects = Self { accounts: Vec::new(), others: Vec::new() };
        for (at, object) in all.into_iter().enumerate() {
            let number = at + 1;
            let other = other(number, object)?;
            if is_dmacc(&other.moid) {
                let read = dmacc::read(&other.data, settings);
                objects.accounts.push(read.map_err(|source| MessageError::Account { number, source })?);
            } else {
                objects.others.push(other);
            }
        }
        Ok(objects)
    }
}

fn other(number: usize, object: Json) -> Result<Other, MessageError> {
    let lacks = |why| MessageError::Object { number, why };
    let Json::Object(mut members) = object else { return Err(lacks("not a JSON object")) };
    let data = members.remove("MOData").ok_or_else(|| lacks("has no MOData"))?;
    let mut text = |name: &str| match members.remove(name) {
        Some(Json::String(text)) => Some(text),
        _ => None,
    };
    let (moid, client_uri) = (text("MOID"), text("ClientURI"));
    let named = || client_uri.as_deref().and_then(|uri| uri.split('/').next()).map(str::to_owned);
    let moid = moid.or_else(named).ok_or_else(|| lacks("has neither MOID nor ClientURI"))?;
    Ok(Other { number, moid: moid.chars().take(200).collect::<String>().into(), client_uri, data })
}

/// Checks all accounts of a bootstrap together, and sorts them by server id. They come out sorted by server id.
pub(super) fn check(accounts: &mut [BroughtAccount]) -> Result<(), MessageError> {
    accounts.order_by(|one, other| one.account.server_id.cmp(&other.account.server_id));
    if accounts.is_empty() {
        return Err(MessageError::None);
    }
    if accounts.len() > MOST_ACCOUNTS {
        return Err(MessageError::TooMany);
    }
    let twice = accounts.windows(2).find_map(|pair| match pair {
        [one, other] if one.account.server_id == other.account.server_id => Some(&one.account.server_id),
        _ => None,
    });
    twice.map_or(Ok(()), |server_id| Err(MessageError::Twice(server_id.clone())))
}

fn steps(content_type: &str, body: &[u8], settings: &Settings) -> Result<Vec<Step>, MessageError> {
    let package = package::decode(Some(content_type), body)?;
    let wrong = |number, why| MessageError::Command { number, why };
    if package.commands.len() > MOST_COMMANDS {
        return Err(wrong(MOST_COMMANDS + 1, "more than 64 commands"));
    }
    let allow_http = settings.session.allow_http;
    // Servers end every package so; there is no session here that it could end.
    let commands = match package.commands.split_last() {
        Some((Command { verb: Verb::End, .. }, others)) => others,
        _ => &package.commands,
    };
    let mut steps = Vec::new();
    for (at, Command { verb, parameters }) in commands.iter().enumerate() {
        let wrong = |why| wrong(at + 1, why);
        if !matches!(verb, Verb::Hget | Verb::Default) {
            return Err(wrong("a bootstrap has HGET and DEFAULT only"));
        }
        let parameters =
            parameters.as_deref().ok_or_else(|| wrong("its parameters are not a list of strings"))?;
        let (from, rest) = parameters.split_first().ok_or_else(|| wrong("has no ServerURI"))?;
        let step = match (verb, rest) {
            (Verb::Hget, []) => Step::Retrieve { from: from.clone(), target: None },
            (Verb::Hget, [target]) => {
                let target =
                    ClientUri::parse_for(target, Fields::TARGET).map_err(|_| wrong("not a ClientURI"))?;
                Step::Retrieve { from: from.clone(), target: Some(target) }
            }
            (Verb::Default, [moid]) => Step::Default { from: from.clone(), moid: moid.as_str().into() },
            _ => return Err(wrong("wrong number of parameters")),
        };
        syntax::server_uri(from, allow_http).map_err(|_| wrong("not an https ServerURI"))?;
        steps.push(step);
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(id: &str) -> Json {
        json!({"MOID": DMACC[0], "MOData": {"DMAcc": {
            "ServerID": id, "SrvURI": "https://dm.example/", "Permissions": {"1": {"MOID": "*"}},
        }}})
    }

    fn read(content_type: &str, body: &str) -> Result<Message, String> {
        Message::read(content_type, body.as_bytes(), &Settings::default()).map_err(|error| error.to_string())
    }

    fn ids(body: &Json) -> Vec<String> {
        match read(OBJECTS[0], &body.to_string()).unwrap() {
            Message::Accounts(accounts) => {
                accounts.into_iter().map(|one| one.account.server_id.into()).collect()
            }
            Message::Commands(_) => panic!("commands"),
        }
    }

    #[test]
    fn one_object_an_array_and_a_client_uri_in_the_moids_place_are_read() {
        assert_eq!(ids(&account("a")), ["a"]);
        assert_eq!(ids(&json!([account("b"), account("a")])), ["a", "b"]);
        let approved = json!([{"ClientURI": format!("{}/b/", DMACC[1]), "MOData":
            {"SrvID": "b", "SrvURI": "https://b.example", "Perm": {"x": {"MOID": "*"}}}}]);
        assert_eq!(ids(&approved), ["b"]);
        assert!(read("application/vnd.oma.dm.mo+json; charset=utf-8", &account("a").to_string()).is_ok());
    }

    #[test]
    fn what_is_no_bootstrap_is_refused_whole() {
        let many: Vec<Json> = (0..17).map(|number| account(&number.to_string())).collect();
        let mut foreign = account("b");
        foreign["MOID"] = json!("urn:oma:mo:oma-mms:1.3");
        let mut broken = account("b");
        broken["MOData"]["DMAcc"]["SrvURI"] = json!("http://dm.example/");
        for (body, expected) in [
            ("{".to_owned(), "not JSON: "),
            ("\"x\"".to_owned(), "object 1: not a JSON object"),
            ("[]".to_owned(), "no account"),
            (json!([account("a"), 7]).to_string(), "object 2: not a JSON object"),
            (json!({"MOID": DMACC[0]}).to_string(), "object 1: has no MOData"),
            (json!({"MOData": {}}).to_string(), "object 1: has neither MOID nor ClientURI"),
            (
                json!([account("a"), foreign]).to_string(),
                "object 2 is of \"urn:oma:mo:oma-mms:1.3\", expected",
            ),
            (json!([account("a"), broken]).to_string(), "account 2: SrvURI: plain http is refused"),
            (json!([account("a"), account("a")]).to_string(), "two accounts of \"a\""),
            (json!(many).to_string(), "more than 16 accounts"),
            ("[".repeat(100_000), "not JSON: "),
        ] {
            let error = read(OBJECTS[0], &body).unwrap_err();
            assert!(error.starts_with(expected), "{body:.80}: {error}");
        }
        assert!(read("text/html", "<html>").unwrap_err().starts_with("content type \"text/html\""));
        assert!(read("", "{}").is_err());
    }

    #[test]
    fn a_package_has_hget_and_default_only() {
        let package = |commands: Json| read(package::REQUEST, &json!({"CMD": commands}).to_string());
        let steps = package(json!([
            ["HGET", "https://a/[DevID]"],
            ["HGET", "https://a/x", "urn:x//Leaf"],
            ["DEFAULT", "https://a/d", "urn:x"],
            ["END"],
        ]));
        let Message::Commands(steps) = steps.unwrap() else { panic!("accounts") };
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[2], Step::Default { from: "https://a/d".into(), moid: "urn:x".into() });
        for (command, why) in [
            (json!(["CONT"]), "a bootstrap has HGET and DEFAULT only"),
            (json!(["GET", 7]), "a bootstrap has HGET and DEFAULT only"),
            (json!(["EXEC", "urn:x//Reboot"]), "a bootstrap has HGET and DEFAULT only"),
            (json!(["HGET"]), "has no ServerURI"),
            (json!(["HGET", "http://a/"]), "not an https ServerURI"),
            (json!(["HGET", "file:///etc/shadow"]), "not an https ServerURI"),
            (json!(["HGET", "https://a/", "no uri"]), "not a ClientURI"),
            (json!(["DEFAULT", "https://a/"]), "wrong number of parameters"),
            (json!(["HGET", 7]), "its parameters are not a list of strings"),
        ] {
            let error = package(json!([["HGET", "https://a/"], command])).unwrap_err();
            assert_eq!(error, format!("command 2: {why}"));
        }
        let early = package(json!([["END"], ["HGET", "https://a/"]])).unwrap_err();
        assert_eq!(
            early, "command 1: a bootstrap has HGET and DEFAULT only",
            "what follows it is not for nothing"
        );
        let many: Vec<Json> = (0..65).map(|_| json!(["HGET", "https://a/"])).collect();
        assert_eq!(package(json!(many)).unwrap_err(), "command 65: more than 64 commands");
    }
}
