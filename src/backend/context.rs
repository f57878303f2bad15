//! What a source or an effect is told: of which machine, of which node, on whose behalf.

use std::path::PathBuf;
use std::sync::Arc;

use crate::mo::Value;
use crate::mo::fill::Variables;
use crate::mo::given::Given;
use crate::mo::mapping::BusObject;

use super::answer::Answer;
use super::bus::{Bus, Seen};
use crate::uri::Moid;
use crate::uri::ServerId;

/// The machine that is managed.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Every path of a mapping is below it. Absolute symbolic links lead out of it.
    pub sysroot: PathBuf,
    /// Where its services are.
    pub bus: Arc<Bus>,
}

/// What the agent itself knows: session and account values. The machine's own are in `builtin`.
pub trait Builtins: Sync {
    /// The value of `name`, one of [`FROM_AGENT`](crate::mo::builtin::FROM_AGENT) or beginning with `account.`.
    fn get(&self, name: &str) -> Answer<String>;
}

/// On whose behalf; what scripts are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// `OMADM_SERVER_ID`; empty where no server asked.
    pub server_id: Option<&'a ServerId>,
    /// `OMADM_CLIENT_URI`
    pub client_uri: &'a str,
    /// `OMADM_MOID`
    pub moid: Option<&'a Moid>,
    /// `OMADM_MIID`
    pub miid: &'a str,
    /// `OMADM_RESUMED`: a program that goes on after a reboot.
    pub resumed: bool,
}

/// All that a source or an effect may need to know about the node it is for.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// `[object.NAME]`: what the mapping calls D-Bus objects.
    pub objects: &'a [(String, BusObject)],
    /// Which of these objects the un-named nodes on the way stand for: name, and what was captured of its path.
    pub listed: &'a [(String, String)],
    /// What the reading in progress has seen of D-Bus objects; none: each value is asked for anew.
    pub seen: Option<&'a Seen>,
    /// What a running service does not have yet is waited for: the time that `wait` gives is not over.
    pub expectant: bool,
    /// Label and captured name ([`Child::captured`](super::Child::captured)) of each un-named node on the way.
    pub names: &'a [(String, String)],
    /// The leaves that `input` lists, and no others.
    pub given: &'a [Given],
    /// What the listing said about the nearest un-named node ([`Child::item`](super::Child::item)).
    pub item: Option<&'a serde_json::Value>,
    /// What the store holds for the node.
    pub stored: Option<&'a Value>,
    /// What the agent itself knows.
    pub builtins: &'a dyn Builtins,
    /// On whose behalf.
    pub request: Request<'a>,
}

impl<'a> Context<'a> {
    pub(super) fn variables(&self, value: Option<&'a str>) -> Variables<'a> {
        Variables { value, names: self.names, given: self.given, booted: None }
    }
}
