//! The context of a source or an effect: of which machine, of which node, on whose behalf.

use std::path::PathBuf;
use std::sync::Arc;

use crate::mo::fill::Variables;
use crate::mo::given::Given;
use crate::mo::mapping::{BusObject, Template};
use crate::mo::{ManagementObject, NodeId, Value};

use super::answer::Answer;
use super::bus::{Bus, Seen};
use super::error::BackendError;
use super::helper::Helper;
use crate::uri::Moid;
use crate::uri::ServerId;

/// The machine that is managed.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The folder that every path of a mapping is below. Absolute symbolic links lead out of it.
    pub sysroot: PathBuf,
    /// The message bus of its services.
    pub bus: Arc<Bus>,
    /// The privileged helper; none: what the agent may not do itself is not done.
    pub helper: Option<Arc<Helper>>,
    /// What programs begin in, to become the user that a mapping names; none: they run as whoever starts them. The
    /// helper has it.
    pub stage: Option<Stage>,
}

/// The stage in which a program begins.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The program that becomes another user, and then the program that is meant: it is called with
    /// `--as USER -- PROGRAM ARGUMENT…`.
    pub program: PathBuf,
    /// The name that it is called by.
    pub name: &'static str,
    /// The user of programs whose answer decides what may be done: one whose processes the agent has no hand in.
    pub judge: &'static str,
}

impl Machine {
    /// Makes a machine where whoever asks does all by itself.
    #[must_use]
    pub fn new(sysroot: PathBuf, bus: Arc<Bus>) -> Self {
        Self { sysroot, bus, helper: None, stage: None }
    }
}

/// The builtins of the agent itself: session and account values. The machine's own are in `builtin`.
pub trait Builtins: Sync {
    /// The value of `name`, one of [`FROM_AGENT`](crate::mo::builtin::FROM_AGENT) or beginning with `account.`.
    fn get(&self, name: &str) -> Answer<String>;
}

/// Who knows the address of a node, and writes it when it is asked for: most reads tell nobody of it.
pub trait Addressed: Sync {
    /// The ClientURI that names the node exactly.
    fn client_uri(&self) -> &str;
}

impl<T: AsRef<str> + Sync> Addressed for T {
    fn client_uri(&self) -> &str {
        self.as_ref()
    }
}

/// The request that a source or an effect is for: on whose behalf; what scripts are told.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The server that asks, `OMADM_SERVER_ID`; empty where none does.
    pub server_id: Option<&'a ServerId>,
    /// The node, for its address, `OMADM_CLIENT_URI`.
    pub node: &'a dyn Addressed,
    /// The MOID of the object, `OMADM_MOID`.
    pub moid: Option<&'a Moid>,
    /// The MIID of the instance, `OMADM_MIID`.
    pub miid: &'a str,
    /// Whether a program goes on after a reboot, `OMADM_RESUMED`.
    pub resumed: bool,
    /// The name under which the helper keeps the result of an EXEC.
    pub exec_id: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// The address of the node, `OMADM_CLIENT_URI`.
    #[must_use]
    pub fn client_uri(&self) -> &'a str {
        self.node.client_uri()
    }
}

impl Default for Request<'_> {
    fn default() -> Self {
        Self { server_id: None, node: &"", moid: None, miid: "", resumed: false, exec_id: None }
    }
}

/// All that a source or an effect may need to know about the node it is for.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// The object and the node of it; none where there is neither.
    pub node: Option<(&'a ManagementObject, NodeId)>,
    /// The D-Bus objects that the mapping names, `[object.NAME]`.
    pub objects: &'a [(String, BusObject)],
    /// The objects that the un-named nodes on the way stand for: name, and what was captured of its path.
    pub listed: &'a [(String, String)],
    /// The D-Bus objects that the reading in progress has seen; none: each value is asked for anew.
    pub seen: Option<&'a Seen>,
    /// Whether a running service is waited for that does not have a value yet: the time that `wait` gives is not over.
    pub expectant: bool,
    /// The label and captured name ([`Child::captured`](super::Child::captured)) of each un-named node on the way.
    pub names: &'a [(String, String)],
    /// The leaves that `input` lists, and no others.
    pub given: &'a [Given],
    /// The item of the listing that made the nearest un-named node ([`Child::item`](super::Child::item)).
    pub item: Option<&'a serde_json::Value>,
    /// The value that the store holds for the node.
    pub stored: Option<&'a Value>,
    /// The builtins of the agent itself.
    pub builtins: &'a dyn Builtins,
    /// The request on whose behalf this is.
    pub request: Request<'a>,
}

impl<'a> Context<'a> {
    pub(super) fn variables(&self, value: Option<&'a str>) -> Variables<'a> {
        Variables { value, names: self.names, given: self.given, booted: None }
    }
}

/// A path with all that the context knows filled in.
///
/// # Errors
/// [`BackendError::Fill`]
pub(crate) fn filled_path(path: &Template, context: &Context<'_>) -> Result<String, BackendError> {
    Ok(path.fill_path(&context.variables(None))?)
}
