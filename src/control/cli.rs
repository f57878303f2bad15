//! The command line of `omadmctl`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::Arg;

use serde_json::{Value as Json, json};

use super::help::{About, COMMANDS, help};
use crate::alert;
use crate::bearer::ConnectionType;
use crate::cli::{Stop, value};
use crate::spanned::meant;
use crate::uri::client::{ClientUri, Fields};

/// The path where what the page of the mapping language says of keys is installed.
const PAGE: &str = "/usr/share/omadm/keys.md.gz";

/// The arguments of `omadmctl`: what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Omadmctl {
    /// Whether it answers in JSON.
    pub(super) json: bool,
    /// The command that it is to do.
    pub(super) command: Command,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Print device descriptions as trees.
    DdfShow { files: Vec<PathBuf> },
    /// Say what is wrong with device descriptions, also what readers overlook.
    DdfCheck { files: Vec<PathBuf> },
    /// Say all that is wrong with mappings, and what is hardly meant; with a sysroot, what they say there too.
    MoCheck { sysroot: Option<PathBuf>, folders: Vec<PathBuf> },
    /// Say which objects are served, and why the others are not: the running agent's, or those of one file's folders.
    MoList { file: Option<PathBuf> },
    /// Write the DDF that servers fetch.
    MoDdf { folder: PathBuf },
    /// Write a mapping to begin with, for a DDF.
    MoNew { file: PathBuf },
    /// Read every source once, and print the values, or why there are none.
    MoRead { sysroot: PathBuf, folders: Vec<PathBuf> },
    /// Say whether the device is at its servers.
    Status { server: Option<String> },
    /// Hold a session with a server.
    SessionStart { server: String },
    /// Say which sessions run.
    SessionList,
    /// Say which alerts wait.
    AlertList,
    /// Say which accounts there are.
    AccountList,
    /// Test the way to an account's server.
    AccountTest { server: String },
    /// Print what is at a ClientURI.
    Get { client_uri: String },
    /// Show nodes, each with its value or why it has none.
    Tree { client_uri: String },
    /// Write a node, or check whether it could be.
    Set { client_uri: String, value: String, is_dry: bool },
    /// Execute a node, or say what would come of that; perhaps wait for its end.
    Exec { client_uri: String, is_dry: bool, waits: bool },
    /// Notify an agent.
    Notify(Notify),
    /// Make a support bundle, in this folder.
    Report { folder: Option<PathBuf> },
    /// Have the agent do something: one of its methods, the types of its arguments, and these.
    Order { method: &'static str, kinds: &'static str, arguments: Json },
    /// Say all that is wrong with a configuration: of one file, or the installed one.
    ConfigCheck { file: Option<PathBuf> },
    /// Say what a key of the mapping language means, or which there are.
    Explain { page: PathBuf, key: Option<String> },
}

/// A notification to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notify {
    pub(super) host: String,
    pub(super) server_id: String,
    pub(super) secret_file: PathBuf,
    pub(super) request_mos: bool,
    pub(super) preferred: Vec<ConnectionType>,
    /// The number of the notification; none: one of the time.
    pub(super) id: Option<u16>,
}

/// All arguments, before it is known what they mean.
#[derive(Default)]
struct Arguments {
    json: bool,
    is_help: bool,
    /// The options without a text.
    flags: Vec<String>,
    sysroot: Option<PathBuf>,
    page: Option<PathBuf>,
    /// The texts of other options, by their names.
    texts: Vec<(String, OsString)>,
    words: Vec<OsString>,
}

impl Arguments {
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let mut read = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("json") => read.json = true,
                Arg::Long("sysroot") => read.sysroot = Some(value(&mut parser, "sysroot")?),
                Arg::Long("page") => read.page = Some(value(&mut parser, "page")?),
                Arg::Short('h') | Arg::Long("help") => read.is_help = true,
                Arg::Short('V') | Arg::Long("version") => return Err(Stop::Version),
                Arg::Value(word) => read.words.push(word),
                Arg::Long(name) if COMMANDS.iter().any(|about| about.has_flag(name)) => {
                    read.flags.push(name.to_owned());
                }
                Arg::Long(name) if COMMANDS.iter().any(|about| about.has_option(name)) => {
                    let name = name.to_owned();
                    let text = parser.value()?;
                    read.texts.push((name, text));
                }
                other => return Err(other.unexpected().into()),
            }
        }
        if read.words.first().is_some_and(|word| word == "help") {
            read.words.remove(0);
            read.is_help = true;
        }
        Ok(read)
    }

    fn has_flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| flag == name)
    }

    /// The command that is meant, and the arguments after its words.
    fn command(&self) -> Result<(&'static About, Vec<PathBuf>), Stop> {
        let word = |at: usize| self.words.get(at).and_then(|word| word.to_str()).unwrap_or_default();
        let [first, second] = [word(0), word(1)];
        let is_it = |about: &&About| match about.words.split_once(' ') {
            Some(both) => both == (first, second),
            None => about.words == first,
        };
        if let Some(about) = COMMANDS.iter().find(is_it) {
            let rest = self.words.iter().skip(about.words.split(' ').count());
            return Ok((about, rest.map(PathBuf::from).collect()));
        }
        let is_room =
            COMMANDS.iter().any(|about| about.words.split_once(' ').is_some_and(|(room, _)| room == first));
        let both = format!("{first} {second}");
        let commands: Vec<&str> = COMMANDS.iter().map(|about| about.words).collect();
        let words: Vec<&str> = commands.iter().filter_map(|words| words.split(' ').next()).collect();
        let (wrong, close) = match is_room {
            true => (format!("`{both}`"), meant(&both, commands)),
            false => (format!("{first:?}"), meant(&both, commands).or_else(|| meant(first, words))),
        };
        let close = close.map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
        Err(match (first, second) {
            ("", _) if self.is_help => Stop::Help(help("")),
            ("", _) => Stop::Nothing(help("")),
            _ if self.is_help && is_room => Stop::Help(help(first)),
            (_, "") if is_room => Stop::Nothing(help(first)),
            _ => Stop::Wrong(format!("{wrong} is no command{close}")),
        })
    }
}

impl Omadmctl {
    /// Reads the arguments; the program's name is not among them.
    ///
    /// # Errors
    /// [`Stop`]
    pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, Stop> {
        let read = Arguments::read(arguments)?;
        let (about, mut rest) = read.command()?;
        if read.is_help {
            return Err(Stop::Help(about.help()));
        }
        about.check(&read, &rest).map_err(|what| Stop::Wrong(format!("{}: {what}", about.words)))?;
        let text = |name: &str| {
            let given = read.texts.iter().rev().find(|(known, _)| known == name);
            given.map(|(_, text)| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let texts: Vec<String> = rest.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let first = || texts.first().cloned().unwrap_or_default();
        let order = |method, kinds, arguments| Command::Order { method, kinds, arguments };
        let wrong = |what: String| Stop::Wrong(format!("{}: {what}", about.words));
        let node = |fields: Fields| client_uri(&first(), fields).map_err(wrong);
        let root = || read.sysroot.clone().unwrap_or_else(|| "/".into());
        let mut one = || rest.pop().unwrap_or_default();
        let is_dry = read.has_flag("dry-run");
        let command = match about.words {
            "status" => Command::Status { server: texts.first().cloned() },
            "session start" => Command::SessionStart { server: first() },
            "session list" => Command::SessionList,
            "get" => Command::Get { client_uri: node(Fields::READ)? },
            "tree" if texts.is_empty() => Command::Tree { client_uri: String::new() },
            "tree" => Command::Tree { client_uri: node(Fields::READ)? },
            "set" => {
                let value = texts.get(1).cloned().unwrap_or_default();
                Command::Set { client_uri: node(Fields::TARGET)?, value, is_dry }
            }
            "notify" => {
                let words = text("prefer");
                let words = words.split(',').filter(|word| !word.is_empty());
                let preferred: Option<Vec<_>> = words.map(ConnectionType::named).collect();
                let id = Some(text("id")).filter(|id| !id.is_empty()).map(|id| id.parse()).transpose();
                Command::Notify(Notify {
                    host: first(),
                    server_id: text("server-id"),
                    secret_file: text("secret-file").into(),
                    request_mos: read.has_flag("request-mos"),
                    preferred: preferred
                        .ok_or("--prefer: expected any of mobile, wireless, wireline, any")
                        .map_err(|what| wrong(what.to_owned()))?,
                    id: id.map_err(|_| wrong("--id: expected a number up to 65535".to_owned()))?,
                })
            }
            "report" => Command::Report { folder: rest.pop() },
            "exec" => {
                Command::Exec { client_uri: node(Fields::TARGET)?, is_dry, waits: read.has_flag("wait") }
            }
            "alert list" => Command::AlertList,
            "alert drop" => order("DropAlerts", "s", json!([first()])),
            "account list" => Command::AccountList,
            "account test" => Command::AccountTest { server: first() },
            "config-request" => order("RequestConfiguration", "ss", json!([first(), "User"])),
            "reload" => order("Reload", "", json!([])),
            "alert raise" => {
                let [source, target, mark, mime, data] =
                    ["source", "target", "mark", "mime", "data"].map(text);
                let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
                alert::must_be_sound(&first(), said(&source).as_deref(), said(&mark).as_deref())
                    .map_err(|error| wrong(error.to_string()))?;
                order("RaiseAlert", "ssssss", json!([first(), source, target, mark, mime, data]))
            }
            "config check" => Command::ConfigCheck { file: rest.pop() },
            "ddf show" => Command::DdfShow { files: rest },
            "ddf check" => Command::DdfCheck { files: rest },
            "mo check" => Command::MoCheck { sysroot: read.has_flag("read").then(root), folders: rest },
            "mo list" => Command::MoList { file: rest.pop() },
            "mo ddf" => Command::MoDdf { folder: one() },
            "mo new" => Command::MoNew { file: one() },
            "mo read" => Command::MoRead { sysroot: root(), folders: rest },
            _ => Command::Explain {
                page: read.page.unwrap_or_else(|| PAGE.into()),
                key: texts.first().cloned(),
            },
        };
        Ok(Self { json: read.json, command })
    }
}

/// A ClientURI as it is written by hand: a slash at its end does no harm.
fn client_uri(text: &str, fields: Fields) -> Result<String, String> {
    let (address, query) = text.split_at_checked(text.find('?').unwrap_or(text.len())).unwrap_or((text, ""));
    // That of the root of an instance stays.
    let is_root = address.matches('/').count() <= 2;
    let address = if is_root { address } else { address.strip_suffix('/').unwrap_or(address) };
    let whole = format!("{address}{query}");
    match ClientUri::parse_for(&whole, fields) {
        Ok(_) => Ok(whole),
        Err(error) => {
            Err(format!("{text:?} is no ClientURI, such as urn:oma:mo:oma-dm-devinfo:1.2//DevID: {error}"))
        }
    }
}

impl About {
    /// Checks that the arguments are the command's.
    fn check(&self, read: &Arguments, rest: &[PathBuf]) -> Result<(), String> {
        let given = [("sysroot", read.sysroot.is_some()), ("page", read.page.is_some())];
        let texts = read.texts.iter().map(|(name, _)| name).chain(&read.flags).map(String::as_str);
        let options = given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).chain(texts);
        for option in options {
            if !self.has_option(option) {
                return Err(format!("has no option --{option}"));
            }
        }
        for needed in self.required() {
            if !read.texts.iter().any(|(name, text)| name == needed && !text.is_empty()) {
                return Err(format!("expected --{needed}"));
            }
        }
        if self.words == "mo check" && read.sysroot.is_some() && !read.has_flag("read") {
            return Err("--sysroot is for --read".to_owned());
        }
        if read.has_flag("wait") && read.has_flag("dry-run") {
            return Err("a dry run has nothing to wait for".to_owned());
        }
        let (least, most) = self.takes();
        // A value may be empty.
        let named = if self.words == "set" { rest.get(..1).unwrap_or_default() } else { rest };
        if rest.len() < least || named.iter().any(|path| path.as_os_str().is_empty()) {
            return Err(format!("expected {}", self.arguments));
        }
        match rest.len() > most {
            true if self.arguments.is_empty() => Err("takes no arguments".to_owned()),
            true => Err(format!("expected {} and nothing else", self.arguments)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Omadmctl, Stop> {
        Omadmctl::parse(arguments.iter().map(OsString::from))
    }

    #[track_caller]
    fn is_wrong(arguments: &[&str]) {
        let parsed = parse(arguments);
        assert!(matches!(parsed, Err(Stop::Wrong(_))), "{arguments:?}: {parsed:?}");
    }

    #[test]
    fn json_may_stand_anywhere() {
        for arguments in
            [["--json", "ddf", "show", "a"], ["ddf", "show", "--json", "a"], ["ddf", "show", "a", "--json"]]
        {
            let parsed = parse(&arguments).unwrap();
            assert!(parsed.json, "{arguments:?}");
            assert_eq!(parsed.command, Command::DdfShow { files: vec!["a".into()] });
        }
    }

    #[test]
    fn every_command_is_known_and_has_its_help() {
        for about in &COMMANDS {
            let words: Vec<&str> = about.words.split(' ').collect();
            let (least, most) = about.takes();
            let needed: Vec<String> = about.required().map(|name| format!("--{name}=a")).collect();
            let needed: Vec<&str> = needed.iter().map(String::as_str).collect();
            // A ClientURI, and a URN, is what any command may be given.
            let sound = parse(&[&words[..], &needed, &vec!["urn:m:a//A"; least][..]].concat());
            assert!(sound.is_ok(), "{}: {sound:?}", about.words);
            if most < usize::MAX {
                is_wrong(&[&words[..], &vec!["a"; most + 1][..]].concat());
            }
            let Err(Stop::Help(help)) = parse(&[&words[..], &["--help"]].concat()) else { panic!("no help") };
            assert!(help.contains(&format!("omadmctl [--json] {}", about.words)), "{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 120), "{help}");
            let Err(Stop::Help(all)) = parse(&["--help"]) else { panic!("no help") };
            assert!(all.contains(about.does), "{all}");
        }
        assert_eq!(parse(&["help", "mo", "read"]), parse(&["mo", "read", "--help"]));
        assert_eq!(parse(&["help"]), parse(&["--help"]));
        is_wrong(&["help", "frobnicate"]);
        assert_eq!(parse(&["help", "mo"]), parse(&["mo", "-h"]));
        let Err(Stop::Help(of_mo)) = parse(&["mo", "-h"]) else { panic!("no help") };
        assert!(of_mo.contains("mo read") && !of_mo.contains("ddf show"), "{of_mo}");
    }

    #[test]
    fn options_belong_to_their_command() {
        let read = parse(&["mo", "read", "--sysroot", "root", "a", "b"]).unwrap();
        let folders = vec!["a".into(), "b".into()];
        assert_eq!(read.command, Command::MoRead { sysroot: "root".into(), folders });
        is_wrong(&["mo", "check", "--sysroot", "root", "a"]);
        is_wrong(&["mo", "read", "--read", "a"]);
        let check = |sysroot: Option<&str>| Command::MoCheck {
            sysroot: sysroot.map(PathBuf::from),
            folders: vec!["a".into()],
        };
        assert_eq!(parse(&["mo", "check", "a"]).unwrap().command, check(None));
        assert_eq!(parse(&["mo", "check", "--read", "a"]).unwrap().command, check(Some("/")));
        let elsewhere = parse(&["mo", "check", "a", "--read", "--sysroot", "root"]);
        assert_eq!(elsewhere.unwrap().command, check(Some("root")));
        is_wrong(&["mo", "read", "--page", "page", "a"]);
        is_wrong(&["explain", "--page", "", "list"]);
        is_wrong(&["mo", "ddf", "a", "b"]);
    }

    #[test]
    fn what_the_agent_is_asked_for_is_made_of_the_arguments() {
        let command = |arguments: &[&str]| parse(arguments).unwrap().command;
        assert_eq!(command(&["status"]), Command::Status { server: None });
        assert_eq!(command(&["status", "acme"]), Command::Status { server: Some("acme".to_owned()) });
        let raised = command(&["alert", "raise", "com.acme.door", "--mark", "minor", "--data={}"]);
        let arguments = json!(["com.acme.door", "", "", "minor", "", "{}"]);
        assert_eq!(raised, Command::Order { method: "RaiseAlert", kinds: "ssssss", arguments });
        assert_eq!(command(&["config", "check"]), Command::ConfigCheck { file: None });
        let set = |value: &str, is_dry| Command::Set {
            client_uri: "urn:m//A".to_owned(),
            value: value.to_owned(),
            is_dry,
        };
        assert_eq!(command(&["set", "urn:m//A", ""]), set("", false));
        assert_eq!(command(&["set", "--dry-run", "--", "urn:m//A", "-5"]), set("-5", true));
        is_wrong(&["set", "", "5"]);
        is_wrong(&["get", "urn:m//A", "--dry-run"]);
        let exec = Command::Exec { client_uri: "urn:m//A".to_owned(), is_dry: false, waits: true };
        assert_eq!(command(&["exec", "urn:m//A", "--wait"]), exec);
        is_wrong(&["exec", "urn:m//A", "--wait", "--dry-run"]);
        let notify = [
            "notify",
            "gw",
            "--server-id",
            "acme",
            "--secret-file",
            "f",
            "--prefer",
            "mobile,any",
            "--id",
            "7",
        ];
        let expected = Notify {
            host: "gw".to_owned(),
            server_id: "acme".to_owned(),
            secret_file: "f".into(),
            request_mos: false,
            preferred: vec![ConnectionType::Mobile, ConnectionType::AnyAvailable],
            id: Some(7),
        };
        assert_eq!(command(&notify), Command::Notify(expected));
        is_wrong(&notify[..4]);
        is_wrong(&[&notify[..6], &["--prefer", "pigeon"]].concat());
        is_wrong(&[&notify[..6], &["--id", "65536"]].concat());
        is_wrong(&["status", "--mark", "minor"]);
        is_wrong(&["reload", "now"]);
    }

    #[test]
    fn a_client_uri_is_checked_before_anybody_is_asked_and_may_end_in_a_slash() {
        let tree = |uri: &str| parse(&["tree", uri]).map(|asked| asked.command);
        for (given, meant) in [
            ("urn:m/1/", "urn:m/1/"),
            ("urn:m//", "urn:m//"),
            ("urn:m/1/A/", "urn:m/1/A"),
            ("urn:m/1/A/B/?lv=1", "urn:m/1/A/B?lv=1"),
        ] {
            assert_eq!(tree(given), Ok(Command::Tree { client_uri: meant.to_owned() }), "{given}");
        }
        for wrong in ["DevID", "urn:m", "urn:m/1", "urn:m/1//A", "urn:m/1/A//", "urn:m/(x)/"] {
            for command in ["get", "tree", "exec"] {
                is_wrong(&[command, wrong]);
            }
        }
        is_wrong(&["set", "DevID", "1"]);
        is_wrong(&["alert", "raise", "--mark", "bad", "com.acme.door"]);
        is_wrong(&["alert", "raise", "--source", "DevID", "com.acme.door"]);
        is_wrong(&["alert", "raise", "door"]);
    }

    #[test]
    fn what_is_no_command_is_refused() {
        is_wrong(&["ddf", "show"]);
        is_wrong(&["ddf", "print", "a"]);
        for lacking in
            [&["ddf", "check"][..], &["mo", "check"], &["mo", "ddf"], &["mo", "new"], &["mo", "read"]]
        {
            is_wrong(lacking);
        }
        is_wrong(&["ddf", "show", "--xml", "a"]);
        is_wrong(&["ddf", "show", ""]);
        assert!(matches!(parse(&[]), Err(Stop::Nothing(_))));
        assert!(matches!(parse(&["mo"]), Err(Stop::Nothing(_))));
        for (wrong, meant) in [
            (&["statsu"][..], "status"),
            (&["session", "strat", "acme"], "session start"),
            (&["sesion", "list"], "session list"),
            (&["Explain", "list"], "explain"),
        ] {
            let Err(Stop::Wrong(what)) = parse(wrong) else { panic!("{wrong:?}") };
            assert!(what.ends_with(&format!("is no command; did you mean `{meant}`?")), "{what}");
        }
        let Err(Stop::Wrong(what)) = parse(&["frobnicate"]) else { panic!("it is none") };
        assert!(!what.contains("mean"), "{what}");
        assert_eq!(parse(&["--version"]), Err(Stop::Version));
    }
}
