//! The values of a ServerURI's parameters on this device (TS 6.2).

use hyper::Uri;

use crate::backend::{self, Answer, Builtins, Context, Dependencies, Machine, Request};
use crate::bearer::Modem;
use crate::config::{Fact, Settings};
use crate::connectivity;
use crate::ddf::Format;
use crate::tree::{Principal, Tree, TreeError};
use crate::uri::Moid;
use crate::uri::server::{Parameter, ServerUriError, ServerUriTemplate};

static DEV_INFO: Moid = Moid::fixed("urn:oma:mo:oma-dm-devinfo:1.2");
/// The longest name of a network, in bytes.
const LONGEST: usize = 255;

/// The values of parameters on this device, as they are for one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    dev_id: String,
    mcc: Option<String>,
    mnc: Option<String>,
    cmcc: Option<String>,
    cmnc: Option<String>,
    sp_name: Option<String>,
}

impl Parameters {
    /// Takes `dev_id`, the value of DevInfo's DevID; of networks nothing is known.
    #[must_use]
    pub fn new(dev_id: String) -> Self {
        Self { dev_id, ..Self::default() }
    }

    /// Reads the values of this moment: DevID from the tree, the rest from what `[subscriber]` names, else from the
    /// modem.
    ///
    /// # Errors
    /// The device can't tell its DevID now.
    pub async fn of(tree: &Tree, settings: &Settings, principal: &Principal<'_>) -> Result<Self, TreeError> {
        let dev_id = tree.own_leaf(&DEV_INFO, "DevID", principal).await?;
        // Under a made-up name, all such devices would be one to their server.
        let nameless = || TreeError::Unavailable {
            node: format!("{DEV_INFO}//DevID"),
            why: "the device has no identifier".to_owned(),
        };
        let dev_id = dev_id.ok_or_else(nameless)?;
        let of_network = [Fact::Mcc, Fact::Mnc, Fact::Cmcc, Fact::Cmnc, Fact::SpName];
        let unsaid = of_network.iter().any(|fact| settings.subscriber.sources(*fact).is_none());
        // One reading for all of them.
        let modem = match unsaid {
            true => connectivity::subscriber(&tree.machine().bus).await,
            false => None,
        };
        let mut values = Vec::with_capacity(of_network.len());
        for wanted in of_network {
            values.push(match settings.subscriber.sources(wanted) {
                Some(_) => fact(wanted, settings, tree.machine()).await,
                None => modem.as_ref().and_then(|modem| of_modem(wanted, modem)),
            });
        }
        let [mcc, mnc, cmcc, cmnc, sp_name] = values.try_into().unwrap_or_default();
        Ok(Self { dev_id, mcc, mnc, cmcc, cmnc, sp_name })
    }

    /// The DevID, which is also the value of the `OMADM-DevID` header.
    #[must_use]
    pub fn dev_id(&self) -> &str {
        &self.dev_id
    }

    /// A ServerURI with this device's values in it (TS 6.2).
    ///
    /// # Errors
    /// It is none, or too long with them.
    pub(crate) fn expand(&self, server_uri: &str) -> Result<Uri, ServerUriError> {
        self.fill(&ServerUriTemplate::parse(server_uri)?)
    }

    /// A parsed ServerURI with this device's values in it (TS 6.2).
    ///
    /// # Errors
    /// It is too long with them.
    pub(crate) fn fill(&self, template: &ServerUriTemplate) -> Result<Uri, ServerUriError> {
        template.expand(&|parameter| self.value(parameter))
    }

    /// Whether the SIM is in another network than its home; none: one of the two is not known.
    #[must_use]
    pub fn roams(&self) -> Option<bool> {
        let home = self.mcc.as_deref().zip(self.mnc.as_deref())?;
        let current = self.cmcc.as_deref().zip(self.cmnc.as_deref())?;
        Some(home != current)
    }

    /// The value of a parameter; none becomes `-1`.
    #[must_use]
    pub fn value(&self, parameter: Parameter) -> Option<String> {
        match parameter {
            Parameter::DevId => Some(self.dev_id.clone()),
            Parameter::Mcc => self.mcc.clone(),
            Parameter::Mnc => self.mnc.clone(),
            Parameter::Cmcc => self.cmcc.clone(),
            Parameter::Cmnc => self.cmnc.clone(),
            Parameter::SpName => self.sp_name.clone(),
        }
    }
}

/// What ModemManager knows of a fact.
fn of_modem(fact: Fact, modem: &Modem) -> Option<String> {
    let code = |network: &Option<(String, String)>| network.clone();
    match fact {
        Fact::Mcc => code(&modem.home).map(|(mcc, _)| mcc),
        Fact::Mnc => code(&modem.home).map(|(_, mnc)| mnc),
        Fact::Cmcc => code(&modem.current).map(|(mcc, _)| mcc),
        Fact::Cmnc => code(&modem.current).map(|(_, mnc)| mnc),
        Fact::SpName => modem.sp_name.clone(),
        Fact::Imsi => String::from_utf8(modem.imsi.as_ref()?.expose().to_vec()).ok(),
    }
}

/// The subscriber's identity, from what `[subscriber]` names, else from the modem; none if it is not known.
pub async fn imsi(settings: &Settings, machine: &Machine) -> Option<String> {
    match settings.subscriber.sources(Fact::Imsi) {
        Some(_) => fact(Fact::Imsi, settings, machine).await,
        None => of_modem(Fact::Imsi, &connectivity::subscriber(&machine.bus).await?),
    }
}

/// Whether a SIM may show up yet that is not there: there is something that would tell.
pub async fn may_have_a_sim(settings: &Settings, machine: &Machine) -> bool {
    settings.subscriber.sources(Fact::Imsi).is_some() || connectivity::may_have_a_sim(&machine.bus).await
}

/// Asks what `[subscriber]` names for a fact; none if it is not known.
async fn fact(fact: Fact, settings: &Settings, machine: &Machine) -> Option<String> {
    let sources = settings.subscriber.sources(fact)?;
    let text = match backend::read(sources, Format::Chr, false, &context(settings, machine)).await {
        Ok(Answer::Value(reading)) => reading.value.to_text().trim().to_owned(),
        Ok(Answer::Absent(_) | Answer::Unavailable(_)) => return None,
        Err(error) => {
            match fact {
                // What an error says may hold what was read.
                Fact::Imsi => log::warn!("subscriber.IMSI: can't be read: it counts as unknown"),
                _ => log::warn!("subscriber.{}: {error}", fact.name()),
            }
            return None;
        }
    };
    let sound = !text.is_empty() && text.len() <= LONGEST && !text.contains(char::is_control);
    sound.then_some(text)
}

/// What tells that the IMSI may be another one: what `[subscriber]` names, else ModemManager's signals.
#[must_use]
pub fn imsi_dependencies(settings: &Settings, machine: &Machine) -> Dependencies {
    let mut dependencies = Dependencies::default();
    match settings.subscriber.sources(Fact::Imsi) {
        Some(sources) => {
            for source in &sources.get {
                dependencies.add(source, &context(settings, machine));
            }
        }
        None => dependencies.signals = connectivity::sim_signs(),
    }
    dependencies
}

/// The context of sources that belong to no management object.
fn context<'a>(settings: &'a Settings, machine: &'a Machine) -> Context<'a> {
    Context {
        machine,
        node: None,
        objects: &settings.subscriber.objects,
        listed: &[],
        seen: None,
        expectant: false,
        names: &[],
        given: &[],
        item: None,
        stored: None,
        builtins: &Nothing,
        request: Request::default(),
    }
}

/// The session's facts outside of a session: there are none.
struct Nothing;

impl Builtins for Nothing {
    fn get(&self, name: &str) -> Answer<String> {
        Answer::Absent(format!("nothing known of {name}"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spanned::{Located, Problems};

    fn settings(text: &str) -> Settings {
        let mut problems = Problems::default();
        let root = Located::parse(Path::new("/t.toml"), text).unwrap();
        let settings = Settings::read(&root, &mut problems);
        assert!(problems.is_empty(), "{problems}");
        settings
    }

    fn machine() -> Machine {
        Machine::new("/".into(), crate::backend::Bus::none())
    }

    #[tokio::test]
    async fn a_fact_is_what_its_best_source_says_with_its_leading_zeros() {
        let settings = settings(
            "[subscriber]\nMNC.get = [{ file = \"/nowhere/mnc\" }, { run = [\"/bin/echo\", \" 01 \"] }]\n\
             MCC.get = { value = \"262\" }\nSPName.get = { value = \"\" }\n",
        );
        assert_eq!(fact(Fact::Mnc, &settings, &machine()).await.as_deref(), Some("01"));
        assert_eq!(fact(Fact::Mcc, &settings, &machine()).await.as_deref(), Some("262"));
        assert_eq!(fact(Fact::SpName, &settings, &machine()).await, None, "an empty name is none");
        assert_eq!(fact(Fact::Cmcc, &settings, &machine()).await, None);
    }

    #[tokio::test]
    async fn what_can_be_no_name_of_a_network_is_not_taken_for_one() {
        for run in ["/usr/bin/printf", "/bin/false", "/nowhere/program"] {
            let settings =
                settings(&format!("[subscriber]\nSPName.get = {{ run = [\"{run}\", 'a\\nb'] }}\n"));
            assert_eq!(fact(Fact::SpName, &settings, &machine()).await, None, "{run}");
        }
    }

    #[test]
    fn who_is_in_another_network_than_the_sims_own_roams() {
        let text = |code: &str| (!code.is_empty()).then(|| code.to_owned());
        for (home, current, roams) in [
            (["262", "01"], ["262", "01"], Some(false)),
            (["262", "01"], ["208", "01"], Some(true)),
            (["262", "01"], ["262", "02"], Some(true)),
            (["262", ""], ["262", "02"], None),
            (["262", "01"], ["", ""], None),
            (["", ""], ["", ""], None),
        ] {
            let ([mcc, mnc], [cmcc, cmnc]) = (home.map(text), current.map(text));
            let parameters = Parameters { mcc, mnc, cmcc, cmnc, ..Parameters::default() };
            assert_eq!(parameters.roams(), roams, "{home:?} {current:?}");
        }
    }

    #[test]
    fn each_parameter_has_its_own_value_and_the_unknown_are_minus_one() {
        let known = |text: &str| Some(text.to_owned());
        let parameters = Parameters {
            dev_id: "IMEI:1".into(),
            mcc: known("262"),
            mnc: known("01"),
            cmcc: known("208"),
            cmnc: None,
            sp_name: known("A & B"),
        };
        let uri = parameters.expand("https://a/[MCC]/[MNC]/[CMCC]/[CMNC]/[SPName]?[DevID]").unwrap();
        assert_eq!(uri.to_string(), "https://a/262/01/208/-1/A%20%26%20B?IMEI:1");
    }
}
