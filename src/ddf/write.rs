//! Writing a DDF.

use std::fmt::{self, Write};

use super::{CaseSense, Ddf, Node, NodeName, Occurrence, Properties, Scope};

const DOCTYPE: &str = "<!DOCTYPE MgmtTree PUBLIC \"-//OMA//DTD-DM-DDF 1.2//EN\" \
                       \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\">";

impl Ddf {
    /// The description as an XML document, which [`parse`](super::parse()) reads back as it is.
    ///
    /// Characters that XML can't hold become U+FFFD.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out =
            Writer { xml: format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{DOCTYPE}\n"), depth: 0 };
        out.element("MgmtTree", |out| {
            out.text("VerDTD", &self.version);
            out.optional("Man", self.manufacturer.as_deref());
            out.optional("Mod", self.model.as_deref());
            self.roots.iter().for_each(|root| node(out, root));
        });
        out.xml
    }
}

fn node(out: &mut Writer, node: &Node) {
    out.element("Node", |out| {
        match &node.name {
            NodeName::Named(name) => out.text("NodeName", name),
            NodeName::Unnamed(Some(label)) if node.is_logical => out.text("NodeName", &format!("[{label}]")),
            NodeName::Unnamed(Some(label)) => out.text("NodeName", &format!("<{label}>")),
            NodeName::Unnamed(None) => out.text("NodeName", ""),
        }
        out.optional("Path", node.path.as_deref());
        properties(out, &node.properties);
        node.children.iter().for_each(|child| self::node(out, child));
    });
}

/// In the order that the DTD asks for.
fn properties(out: &mut Writer, properties: &Properties) {
    out.element("DFProperties", |out| {
        out.element("AccessType", |out| {
            for (_, name) in super::AccessType::ALL.iter().filter(|(one, _)| properties.access.allows(*one)) {
                out.text(name, "");
            }
        });
        if let Some(value) = &properties.default_value {
            out.text("DefaultValue", value);
        }
        out.optional("Description", properties.description.as_deref());
        out.element("DFFormat", |out| out.text(properties.format.word(), ""));
        out.element("Occurrence", |out| match properties.occurrence {
            Occurrence::ZeroOrN(most) => out.text("ZeroOrN", &most.to_string()),
            Occurrence::OneOrN(most) => out.text("OneOrN", &most.to_string()),
            other => out.text(other.word(), ""),
        });
        let scope = if properties.scope == Scope::Permanent { "Permanent" } else { "Dynamic" };
        out.element("Scope", |out| out.text(scope, ""));
        out.optional("DFTitle", properties.title.as_deref());
        out.element("DFType", |out| {
            properties.mime.iter().for_each(|mime| out.text("MIME", mime));
            if properties.mime.is_empty() || properties.ddf_name.is_some() {
                out.text("DDFName", properties.ddf_name.as_deref().unwrap_or_default());
            }
        });
        if properties.case_sense == CaseSense::Insensitive {
            out.element("CaseSense", |out| out.text("CIS", ""));
        }
    });
}

struct Writer {
    xml: String,
    depth: usize,
}

impl Writer {
    fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.line(format_args!("<{name}>"));
        self.depth += 1;
        content(self);
        self.depth -= 1;
        self.line(format_args!("</{name}>"));
    }

    fn text(&mut self, name: &str, text: &str) {
        if text.is_empty() {
            self.line(format_args!("<{name}/>"));
        } else {
            self.line(format_args!("<{name}>{}</{name}>", Escaped(text)));
        }
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a String can't fail.
        let _ = writeln!(self.xml, "{:1$}{line}", "", 2 * self.depth);
    }
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                // As it is, it would be read back as a line feed.
                '\r' => f.write_str("&#13;")?,
                '\t' | '\n' => f.write_char(character)?,
                '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER)?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}
