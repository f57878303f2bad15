//! Exchanges as text for people: at most 100 columns, one step a request.

use std::collections::BTreeMap;
use std::io::{self, Write};

use hyper::body::Bytes;
use serde_json::Value;

use super::multipart::{Part, media_type};
use super::pretty::{self, Json, Limits, cut};
use super::reply::{Fault, Reply};
use super::tape::{Exchange, Received, Request};

/// The columns that a line may take.
const WIDTH: usize = 100;
/// The columns for who speaks to whom.
const PARTIES: usize = 24;
/// The columns before what a step carries.
const INDENT: &str = "      ";

/// The things shown before, which need not be said again.
#[derive(Debug, Default)]
struct Shown {
    connection: usize,
    /// The device and the credentials.
    who: Vec<String>,
    body: Bytes,
}

/// A transcript, which shows steps as they happen.
#[derive(Debug)]
pub struct Transcript<W> {
    out: W,
    colour: bool,
    verbose: bool,
    step: usize,
    /// The things last shown of each server.
    shown: BTreeMap<&'static str, Shown>,
    /// The commands that the next Package#3 answers.
    commands: Vec<Value>,
}

impl<W: Write> Transcript<W> {
    /// Makes a transcript on `out`. `verbose` shows header fields and cuts nothing.
    pub fn new(out: W, colour: bool, verbose: bool) -> Self {
        Self { out, colour, verbose, step: 0, shown: BTreeMap::new(), commands: Vec::new() }
    }

    /// Writes a line of its own.
    ///
    /// # Errors
    /// The output is gone.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Writes a step that is no HTTP exchange.
    ///
    /// # Errors
    /// The output is gone.
    pub fn step(&mut self, from: &str, to: &str, what: &str, details: &[String]) -> io::Result<()> {
        self.head(from, to, what)?;
        for detail in details {
            writeln!(self.out, "{INDENT}{detail}")?;
        }
        self.out.flush()
    }

    /// Writes an exchange: what the agent sent, and what it was answered.
    ///
    /// # Errors
    /// The output is gone.
    pub fn exchange(&mut self, exchange: &Exchange) -> io::Result<()> {
        let Exchange { request, reply } = exchange;
        let package = request.package();
        let what = match &package {
            Ok(package) if package.initiation => "Package#1",
            Ok(_) => "Package#3",
            Err(_) => "",
        };
        let separator = if what.is_empty() { "" } else { " · " };
        let room = WIDTH - INDENT.len() - PARTIES - 18;
        let place = cut(&request.target(), room);
        self.head("agent", request.server, &format!("{what}{separator}{} {place}", request.method))?;
        self.circumstances(request)?;
        let body = &request.body;
        let shown = self.shown.get(request.server);
        let known = shown.is_some_and(|shown| !body.is_empty() && shown.body == body)
            // Another Package#3 may say the same of other commands.
            && (request.is_initiation() || self.commands.is_empty());
        match package {
            _ if known => writeln!(self.out, "{INDENT}the same as before")?,
            Ok(package) => self.package(request, &package)?,
            Err(_) if request.body.is_empty() => {}
            Err(_) => self.body(request.header("content-type"), &request.body)?,
        }
        if let Some(shown) = self.shown.get_mut(request.server) {
            shown.body = body.clone();
        }
        self.reply(request.server, reply)?;
        self.out.flush()
    }

    fn head(&mut self, from: &str, to: &str, what: &str) -> io::Result<()> {
        self.step += 1;
        let parties = format!("{from} → {to}");
        let (bold, plain) = if self.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        writeln!(self.out, "\n{:>3}   {bold}{parties:<PARTIES$}{what}{plain}", self.step)
    }

    /// Writes connection, credentials, type: what the request line does not say.
    fn circumstances(&mut self, request: &Request) -> io::Result<()> {
        let mut facts = Vec::new();
        let shown = self.shown.entry(request.server).or_default();
        if std::mem::replace(&mut shown.connection, request.connection) != request.connection {
            facts.push(match request.tls {
                Some(tls) => {
                    let resumed = if tls.resumed { ", resumed" } else { "" };
                    let client = if tls.client_certificate { ", client certificate" } else { "" };
                    format!("new connection, {}{resumed}{client}", tls.version)
                }
                None => "new connection, no TLS".to_owned(),
            });
        }
        let mut who = Vec::new();
        if let Some((scheme, _)) = request.header("authorization").split_once(' ') {
            who.push(format!("Authorization: {scheme} …"));
        }
        if !request.header("omadm-devid").is_empty() {
            who.push(format!("OMADM-DevID: {}", request.header("omadm-devid")));
        }
        // Who it is need not be said again in every step.
        if shown.who != who {
            facts.extend(who.iter().cloned());
            shown.who = who;
        }
        if !request.body.is_empty() {
            facts.push(format!(
                "{}, {} bytes",
                media_type(request.header("content-type")),
                request.body.len()
            ));
        }
        if self.verbose {
            for (name, value) in &request.headers {
                let shown =
                    if name == "authorization" { "…" } else { value.to_str().unwrap_or("(not text)") };
                writeln!(self.out, "{INDENT}{name}: {shown}")?;
            }
        }
        self.wrapped(&facts.join(" · "))
    }

    fn package(&mut self, request: &Request, package: &Received) -> io::Result<()> {
        if package.initiation {
            return self.body(request.header("content-type"), &request.body);
        }
        let commands = std::mem::take(&mut self.commands);
        for (index, status) in package.statuses().into_iter().enumerate() {
            let position = index + 1;
            let command = commands.get(index).map(command).unwrap_or_default();
            let extra = package.extra(index);
            let status = self.status(status);
            let line = cut(&command, WIDTH - INDENT.len() - 9);
            writeln!(self.out, "{INDENT}{position}  {status}  {line}")?;
            if !extra.is_empty() {
                writeln!(self.out, "{INDENT}   →{}", cut(&extra, WIDTH - INDENT.len() - 5))?;
            }
            if let Some(part) = package.part(position) {
                self.part(part)?;
            }
        }
        if let Some(alerts) = package.json.get("Alert") {
            self.body("application/json", alerts.to_string().as_bytes())?;
        }
        Ok(())
    }

    fn part(&mut self, part: &Part) -> io::Result<()> {
        writeln!(self.out, "{INDENT}   {} · {} bytes", part.content_type, part.body.len())?;
        self.indented("   ", &part.content_type, &part.body)
    }

    fn reply(&mut self, server: &str, reply: &Reply) -> io::Result<()> {
        let fault = match reply.fault {
            Fault::None => String::new(),
            Fault::Close => return writeln!(self.out, "{INDENT}← connection closed without an answer"),
            Fault::Truncate(at) => format!(", broken off after {at} bytes"),
            Fault::Trickle { bytes, .. } => format!(", {bytes} bytes at a time"),
        };
        let status = self.status(u64::from(reply.status.as_u16()));
        let content_type = reply.headers.iter().find(|(name, _)| name == "content-type");
        let content_type = content_type.map(|(_, value)| value.as_str()).unwrap_or_default();
        let package = media_type(content_type) == "application/vnd.oma.dm.request+json";
        let what = if package { " Package#2".to_owned() } else { format!(" {}", reason(reply)) };
        writeln!(self.out, "{INDENT}← {server}: {status}{what}{fault}")?;
        for (name, value) in reply.headers.iter().filter(|(name, _)| name != "content-type") {
            writeln!(self.out, "{INDENT}  {}", cut(&format!("{name}: {value}"), WIDTH - 8))?;
        }
        let parsed = serde_json::from_slice::<Value>(&reply.body).ok();
        let commands = parsed.as_ref().and_then(|json| json.get("CMD")).and_then(Value::as_array);
        match commands.filter(|_| package) {
            Some(commands) => {
                if matches!(reply.fault, Fault::None | Fault::Trickle { .. }) {
                    self.commands.clone_from(commands);
                }
                for (index, sent) in commands.iter().enumerate() {
                    let line = cut(&command(sent), WIDTH - INDENT.len() - 5);
                    writeln!(self.out, "{INDENT}  {}  {line}", index + 1)?;
                }
                Ok(())
            }
            None => self.indented("  ", content_type, &reply.body),
        }
    }

    fn body(&mut self, content_type: &str, body: &[u8]) -> io::Result<()> {
        self.indented("", content_type, body)
    }

    /// Shows `body` as what `content_type` says it is.
    fn indented(&mut self, indent: &str, content_type: &str, body: &[u8]) -> io::Result<()> {
        let width = WIDTH - INDENT.len() - indent.len();
        let limits = if self.verbose {
            Limits { width, text: usize::MAX, members: usize::MAX }
        } else {
            Limits { width, text: 60, members: 16 }
        };
        let lines = match (serde_json::from_slice::<Json>(body), std::str::from_utf8(body)) {
            (Ok(json), _) if media_type(content_type).ends_with("json") => pretty::lines(&json, limits),
            (_, Ok(text)) => text.lines().map(|line| cut(line, width)).collect(),
            (_, Err(_)) => vec![format!("{} bytes, binary", body.len())],
        };
        lines.iter().try_for_each(|line| writeln!(self.out, "{INDENT}{indent}{line}"))
    }

    /// Facts joined by ` · `, broken between two where the line would get too long.
    fn wrapped(&mut self, facts: &str) -> io::Result<()> {
        let mut line = String::new();
        for fact in facts.split(" · ").filter(|fact| !fact.is_empty()) {
            if !line.is_empty() && line.chars().count() + fact.chars().count() + 3 > WIDTH - INDENT.len() {
                writeln!(self.out, "{INDENT}{line}")?;
                line.clear();
            }
            if !line.is_empty() {
                line.push_str(" · ");
            }
            line.push_str(fact);
        }
        if line.is_empty() { Ok(()) } else { writeln!(self.out, "{INDENT}{line}") }
    }

    fn status(&self, code: u64) -> String {
        match (self.colour, code) {
            (false, _) => code.to_string(),
            (true, 200..=399) => format!("\x1b[32m{code}\x1b[0m"),
            (true, _) => format!("\x1b[31m{code}\x1b[0m"),
        }
    }
}

/// Writes a command: `["GET", "urn:…"]` as `GET urn:…`.
fn command(command: &Value) -> String {
    let texts = |list: &Vec<Value>| {
        let words = list.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
        words.collect::<Vec<_>>().join(" ")
    };
    command.as_array().map_or_else(|| command.to_string(), texts)
}

fn reason(reply: &Reply) -> String {
    let reason = reply.status.canonical_reason().unwrap_or_default();
    if reply.body.is_empty() { reason.to_owned() } else { format!("{reason}, {} bytes", reply.body.len()) }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use hyper::{HeaderMap, Method};
    use serde_json::json;

    use super::*;

    fn request(content_type: &'static str, body: impl Into<Bytes>) -> Request {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("authorization", "Basic c2VjcmV0".parse().unwrap());
        headers.insert("omadm-devid", "UUID:6ccd3a4f-0d5e-4d28-8ee7-9d8a6f6d2f11".parse().unwrap());
        Request {
            server: "DM server",
            connection: 1,
            peer: ([127, 0, 0, 1], 1).into(),
            tls: None,
            at: SystemTime::now(),
            method: Method::POST,
            path: "/dm".to_owned(),
            query: "id=UUID:6ccd3a4f-0d5e-4d28-8ee7-9d8a6f6d2f11".to_owned(),
            headers,
            body: body.into(),
        }
    }

    #[test]
    fn statuses_stand_beside_their_commands_and_lines_stay_short() {
        let long = "urn:oma:mo:oma-dm-devinfo:1.2//".to_owned() + &"x".repeat(100);
        let body = format!(
            "--b\r\nContent-Disposition: form-data\r\nContent-Type: application/vnd.oma.dm.response+json\r\n\r\n{}\r\n\
             --b\r\nContent-Disposition: form-data; name=\"1\"\r\nContent-Type: application/dmmo+json\r\n\r\n{}\r\n\
             --b--\r\n",
            json!({"Status": [[200], [201, "urn:x/1/"], [501]]}),
            json!({"ClientURI": long, "MOData": {"DevInfo": {"DevID": "y".repeat(200)}}}),
        );
        let mut out = Vec::new();
        let mut transcript = Transcript::new(&mut out, false, false);
        let initiation = request("application/vnd.oma.dm.initiation+json", "{}");
        let commands = Reply::commands(&json!([["GET", long], ["HGET", "https://r/"], ["NOPE"]]));
        transcript.exchange(&Exchange { request: initiation, reply: commands }).unwrap();
        let response = request("multipart/form-data; boundary=b", body);
        transcript
            .exchange(&Exchange { request: response, reply: Reply::commands(&json!([["END"]])) })
            .unwrap();

        let again = || request("application/vnd.oma.dm.response+json", "{\"Status\":[[501]]}");
        for name in ["ONE", "TWO"] {
            transcript
                .exchange(&Exchange { request: again(), reply: Reply::commands(&json!([[name]])) })
                .unwrap();
        }
        transcript.exchange(&Exchange { request: again(), reply: Reply::closed() }).unwrap();
        transcript.exchange(&Exchange { request: again(), reply: Reply::status(204) }).unwrap();

        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("501  END") && text.contains("501  ONE") && text.contains("501  TWO"),
            "{text}"
        );
        assert_eq!(text.matches("the same as before").count(), 1, "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(text.contains("2  201  HGET https://r/\n         → urn:x/1/\n"), "{text}");
        assert!(text.contains("3  501  NOPE\n"), "{text}");
        assert!(!text.contains("c2VjcmV0"), "{text}");
        assert_eq!(text.matches("new connection").count(), 1, "{text}");
        assert_eq!(text.matches("OMADM-DevID").count(), 1, "{text}");
    }
}
