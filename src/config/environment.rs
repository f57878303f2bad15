//! What the process brings along, read once at the edge.

use std::path::PathBuf;

/// The name of the agent's user.
const USER: &str = "omadm";

/// Where systemd's credentials are, and who reads secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The folder of systemd's credentials, if the service has any.
    pub credentials: Option<PathBuf>,
    /// The agent's user: besides root, the only one who may own a secret.
    pub uid: u32,
    /// The agent's group: the only one that may read a secret.
    pub gid: u32,
}

impl Environment {
    /// That of this process. Root, who checks a configuration by hand, looks at it as the agent's user will.
    #[must_use]
    pub fn current() -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        let (mut uid, mut gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        if uid.is_root()
            && let Ok(Some(agent)) = nix::unistd::User::from_name(USER)
        {
            (uid, gid) = (agent.uid, agent.gid);
        }
        Self { credentials: credentials.map(PathBuf::from), uid: uid.as_raw(), gid: gid.as_raw() }
    }
}
