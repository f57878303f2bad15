//! The environment of the process, read once where it begins.

use std::path::{Path, PathBuf};

use crate::base::regular;

/// The name of the agent's user.
const USER: &str = "omadm";
/// The most bytes of the list of users that are read: so many have a name of their own on no device.
const MAX_USERS: u64 = 8 << 20;

/// Where systemd has the credentials of the running agent.
const OF_SERVICE: &str = "/run/credentials/omadmd.service";

/// The environment that secrets are read in: where systemd's credentials are, and whose files may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The folder of systemd's credentials, if the service has any.
    pub credentials: Option<PathBuf>,
    /// The id of the agent's user: besides root, the only one who may own a secret.
    pub uid: u32,
    /// The id of the agent's group: the only one that may read a secret.
    pub gid: u32,
}

impl Environment {
    /// The environment of this process. Root, who checks a configuration by hand, looks at it as the agent's user will.
    #[must_use]
    pub fn current() -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty());
        // Who checks the files beside the running service looks where it does.
        let credentials = credentials
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(OF_SERVICE)).filter(|folder| folder.is_dir()));
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        let agent = if user.is_root() { system_user() } else { None };
        let (uid, gid) = agent.unwrap_or_else(|| (user.as_raw(), group.as_raw()));
        Self { credentials, uid, gid }
    }
}

/// The user and the group that the package made. Asking the name service would load a MiB of its modules.
fn system_user() -> Option<(u32, u32)> {
    // The names of people are in any encoding.
    of_passwd(&String::from_utf8_lossy(&regular::read(Path::new("/etc/passwd"), MAX_USERS).ok()?))
}

fn of_passwd(users: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().map(|line| line.split(':')).find_map(|mut fields| {
        let is_agent = fields.next() == Some(USER);
        is_agent.then_some(fields)
    })?;
    let (uid, gid) = (fields.nth(1)?, fields.next()?);
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_user_is_the_one_of_that_name() {
        let users = "root:x:0:0:omadm:/root:/bin/sh\nomadmin:x:1:1::/:\nomadm:x:997:996:OMA DM agent:/:/sbin/nologin\n";
        assert_eq!(of_passwd(users), Some((997, 996)));
        for none in ["", "root:x:0:0::/:\n", "omadm", "omadm:x:me:us::/:"] {
            assert_eq!(of_passwd(none), None, "{none:?}");
        }
    }
}
