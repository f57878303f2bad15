//! `omadmctl tree [URI]`: nodes, each with its value or the reason why it has none.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::agent::{explained, told};
use super::client::{Client, reason};
use super::table::Paper;
use super::terminal::Terminal;

/// Shows what is at and below a ClientURI; everything where that is empty.
pub(super) fn show<O: Write, E: Write>(
    client_uri: &str,
    as_json: bool,
    terminal: &mut Terminal<O, E>,
) -> io::Result<bool> {
    let read = Client::connect().and_then(|client| {
        let read = client.json("Tree", "s", json!([client_uri]));
        read.map_err(|error| explained(&client, client_uri, error))
    });
    let nodes = match read {
        Ok(nodes) => nodes,
        Err(error) => return told(&error, as_json, terminal),
    };
    if as_json {
        return terminal.answer(true, json!({ "nodes": nodes }));
    }
    print(&nodes, Paper::stdout(), &mut terminal.out)?;
    terminal.out.flush()?;
    Ok(true)
}

fn print(nodes: &Json, paper: Paper, out: &mut impl Write) -> io::Result<()> {
    let mut top = "";
    for node in nodes.as_array().into_iter().flatten() {
        // That of a root ends in slashes.
        let uri = node.get("uri").and_then(Json::as_str).unwrap_or_default().trim_end_matches('/');
        let below =
            uri.strip_prefix(top).and_then(|below| below.strip_prefix('/')).filter(|_| !top.is_empty());
        let (depth, name) = match below {
            Some(below) => (below.matches('/').count() + 1, below.rsplit('/').next().unwrap_or_default()),
            None => {
                top = uri;
                (0, uri)
            }
        };
        let said = match (node.get("value"), node.get("why").and_then(Json::as_str)) {
            (Some(Json::String(text)), _) => format!("{name} = {text}"),
            (Some(value), _) => format!("{name} = {value}"),
            (None, Some(why)) => format!("{name}: {}", reason(uri, why)),
            (None, None) => format!("{name}/"),
        };
        paper.indented(out, 2 * depth, &said)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_stand_below_those_that_they_are_in_and_fit_the_terminal() {
        let nodes = json!([
            { "uri": "urn:m/1//", "node": true },
            { "uri": "urn:m/1/Fan", "node": true },
            { "uri": "urn:m/1/Fan/Speed", "value": 40 },
            { "uri": "urn:m/1/Fan/Name", "why": "nobody has set it" },
            { "uri": "urn:m/1/Text", "value": "a\u{1b}[2J ".repeat(40) },
            { "uri": "urn:m/10//", "why": "nobody has added anything" },
            { "uri": "urn:m/10/A", "why": "urn:m/10/A: /a: no number", "failed": true },
        ]);
        for width in [40, 60, 80, 200] {
            let mut out = Vec::new();
            print(&nodes, Paper::plain(width), &mut out).unwrap();
            let shown = String::from_utf8(out).unwrap();
            assert!(
                shown.starts_with(
                    "urn:m/1/\n  Fan/\n    Speed = 40\n    Name: nobody has set it\n  Text = a?"
                )
            );
            let last = "\nurn:m/10: nobody has added anything\n  A: /a: no number\n";
            assert!(shown.ends_with(last), "{shown}");
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{width}:\n{shown}");
        }
    }
}
