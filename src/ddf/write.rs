//! Writing a DDF.

use super::{Ddf, Node, NodeName, Occurrence, Properties, Scope};
use crate::xml::Writer;

const DOCTYPE: &str = "<!DOCTYPE MgmtTree PUBLIC \"-//OMA//DTD-DM-DDF 1.2//EN\" \
                       \"http://www.openmobilealliance.org/tech/DTD/DM_DDF-V1_2.dtd\">";

impl Ddf {
    /// The description as an XML document, which [`parse`](super::parse()) reads back as it is.
    ///
    /// Characters that XML can't hold become U+FFFD.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let mut out = Writer::new(true);
        out.raw(DOCTYPE);
        out.element("MgmtTree", |out| {
            out.text("VerDTD", &self.version);
            out.optional("Man", self.manufacturer.as_deref());
            out.optional("Mod", self.model.as_deref());
            self.roots.iter().for_each(|root| node(out, root));
        });
        out.finish()
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

/// Writes a node's properties in the order that the DTD asks for.
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
            if properties.mime.is_empty() {
                out.text("DDFName", properties.ddf_name.as_deref().unwrap_or_default());
            }
        });
        if let Some(case_sense) = properties.case_sense {
            out.element("CaseSense", |out| out.text(case_sense.word(), ""));
        }
    });
}
