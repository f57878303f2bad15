//! `[subscriber]`: what the SIM and the network say (TS 6.2, TS 8.2), from the same sources that management objects
//! have.
//!
//! ```toml
//! [subscriber]
//! MCC.get = [{ run = ["/usr/lib/acme/modem", "mcc"] }, { value = "262" }]
//! IMSI.get = { file = "/run/modem/imsi", match = '(\d{15})' }
//! ```

use crate::base::OneByOne as _;
use crate::base::OrderedSet;
use crate::mo::mapping::{self, BusObject, NodeMapping, Piece, Source, SourceKind, Template};
use crate::spanned::Located;
use crate::spanned::Reader;

/// A fact that the SIM or the network knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `MCC`: the home network's mobile country code.
    Mcc,
    /// `MNC`: the home network's mobile network code, leading zeros included.
    Mnc,
    /// `CMCC`: the current network's mobile country code.
    Cmcc,
    /// `CMNC`: the current network's mobile network code.
    Cmnc,
    /// `SPName`: the service provider's name.
    SpName,
    /// `IMSI`: the subscriber's identity. Another one is another user (TS 8.2).
    Imsi,
}

impl Fact {
    const ALL: [Self; 6] = [Self::Mcc, Self::Mnc, Self::Cmcc, Self::Cmnc, Self::SpName, Self::Imsi];

    /// The key of the fact in `[subscriber]`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mcc => "MCC",
            Self::Mnc => "MNC",
            Self::Cmcc => "CMCC",
            Self::Cmnc => "CMNC",
            Self::SpName => "SPName",
            Self::Imsi => "IMSI",
        }
    }
}

/// The sources of the facts. By default there are none: the device has no modem that it knows of.
#[derive(Clone, Debug, Default)]
pub struct Subscriber {
    /// The table as written, by which two of them are compared.
    written: Option<Located>,
    sources: Vec<(Fact, NodeMapping)>,
    /// The D-Bus objects that sources name: `[subscriber.object.NAME]`.
    pub objects: Vec<(String, BusObject)>,
}

impl PartialEq for Subscriber {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Subscriber {
    /// The sources of a fact; none: nobody knows it.
    #[must_use]
    pub fn sources(&self, fact: Fact) -> Option<&NodeMapping> {
        self.sources.iter().find_map(|(known, mapping)| (*known == fact).then_some(mapping))
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let objects = mapping::bus_objects(reader);
        let names: OrderedSet<String> = objects.iter().map(|(name, _)| name.clone()).one_by_one();
        let mut sources = Vec::new();
        for fact in Fact::ALL {
            let found = reader.table(fact.name(), |reader| {
                let get = mapping::sources(reader, &names);
                for what in get.iter().filter_map(unusable) {
                    reader.problem("get", what);
                }
                NodeMapping { get, ..NodeMapping::default() }
            });
            sources.extend(found.map(|mapping| (fact, mapping)));
        }
        Self { written: Some(reader.located().clone()), sources, objects }
    }
}

/// The problem with a source that is used outside of a management object, if it has one.
fn unusable(source: &Source) -> Option<String> {
    let absolute = |path: &str| path.starts_with('/');
    match &source.from {
        SourceKind::File { path, .. } if !absolute(path.literal_start()) => {
            Some("`file`: expected an absolute path".to_owned())
        }
        SourceKind::Run(argv) if !argv.first().and_then(Template::literal).is_some_and(absolute) => {
            Some("`run`: the program must be an absolute path without braces".to_owned())
        }
        SourceKind::File { path, .. } => braced(std::slice::from_ref(path)),
        SourceKind::Run(argv) | SourceKind::Method { args: argv, .. } => braced(argv),
        SourceKind::Item(_) | SourceKind::Store => {
            Some("`item` and `store` are for management objects".to_owned())
        }
        SourceKind::Value(_)
        | SourceKind::OsRelease(_)
        | SourceKind::MachineId(_)
        | SourceKind::Property { .. }
        | SourceKind::Builtin(_) => None,
    }
}

fn braced(templates: &[Template]) -> Option<String> {
    let mut pieces = templates.iter().flat_map(|template| &template.0);
    let any = pieces.any(|piece| !matches!(piece, Piece::Literal(_)));
    any.then(|| "there is nothing that braces could stand for".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spanned::Problems;

    fn read(text: &str) -> (Subscriber, Vec<String>) {
        let root = Located::parse(Path::new("/etc/omadm/omadmd.toml"), text).unwrap();
        let mut problems = Problems::default();
        let mut reader = Reader::new(&root, &mut problems);
        let subscriber = Subscriber::read(&mut reader);
        reader.finish();
        (subscriber, problems.iter().map(|problem| format!("{}: {}", problem.key, problem.what)).collect())
    }

    #[test]
    fn each_fact_has_its_own_sources() {
        let (subscriber, problems) = read(
            "MNC.get = [{ run = [\"/bin/mnc\", \"-x\"] }, { file = \"/run/mnc\", match = '(\\d+)' }]\n\
             IMSI.get = { object = \"sim\", property = \"Imsi\" }\n\
             object.sim = { dbus = \"org.x\", path = \"/org/x/*\", interface = \"org.x.Sim\" }\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(subscriber.sources(Fact::Mnc).unwrap().get.len(), 2);
        assert_eq!(subscriber.sources(Fact::Imsi).unwrap().get.len(), 1);
        assert!(subscriber.sources(Fact::Mcc).is_none());
        assert_eq!(subscriber.objects.len(), 1);
        assert!(subscriber == subscriber.clone() && subscriber != Subscriber::default());
    }

    #[test]
    fn sources_that_only_a_management_object_has_are_refused() {
        for (text, expected) in [
            ("MCC.get = { file = \"mcc\" }", "MCC.get: `file`: expected an absolute path"),
            ("MCC.get = { run = [\"mcc\"] }", "MCC.get: `run`: the program must be"),
            ("MCC.get = { file = \"/run/{if}\" }", "MCC.get: there is nothing that braces"),
            ("MCC.get = { run = [\"/x\", \"{}\"] }", "MCC.get: there is nothing that braces"),
            ("MCC.get = { store = true }", "MCC.get: `item` and `store`"),
            ("MCC.get = { object = \"sim\", property = \"x\" }", "MCC.get.object: "),
            ("MCC.set = { file = \"/x\" }", "MCC.set: unknown key"),
            ("MSISDN.get = { value = \"1\" }", "MSISDN: unknown key"),
            ("MCC = 262", "MCC: expected a table"),
        ] {
            let (_, problems) = read(text);
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{text}: {problems:?}");
        }
    }
}
