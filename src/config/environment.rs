//! The environment of the process, read once where it begins.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

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
        let (user, group) = (geteuid(), nix::unistd::getegid());
        let agent = if user.is_root() { system_user() } else { None };
        let (uid, gid) = agent.unwrap_or_else(|| (user.as_raw(), group.as_raw()));
        Self { credentials, uid, gid }
    }
}

impl Environment {
    /// Whether root, who checks by hand, reads what the agent's user can't: `bits` is what that needs. Owner and mode tell;
    /// which groups the user is in besides its own is not known here, but it is not root's.
    pub(crate) fn is_kept(&self, metadata: &Metadata, bits: u32) -> bool {
        let may = |shift: u32| metadata.mode() >> shift & bits == bits;
        // As the kernel does: who is the owner, or in the group, has no more than those may.
        let is_read = match (metadata.uid() == self.uid, metadata.gid() == self.gid) {
            _ if self.uid == 0 => true,
            (true, _) => may(6),
            (false, true) => may(3),
            (false, false) => may(0) || metadata.gid() != 0 && may(3),
        };
        !is_read
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

    #[test]
    fn root_is_told_what_the_agents_user_can_not_read() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt as _;

        let file = tempfile::NamedTempFile::new().unwrap();
        let own = file.as_file().metadata().unwrap();
        let agent = Environment { credentials: None, uid: own.uid() + 1, gid: own.gid() + 1 };
        let is_kept = |mode: u32, agent: &Environment| {
            fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
            agent.is_kept(&fs::metadata(file.path()).unwrap(), 0o4)
        };
        assert!(is_kept(0o600, &agent) && !is_kept(0o604, &agent));
        // The agent is not in root's group, and may be in any other.
        assert_eq!(is_kept(0o640, &agent), own.gid() == 0);
        let of_group = Environment { gid: own.gid(), ..agent.clone() };
        assert!(is_kept(0o604, &of_group) && !is_kept(0o640, &of_group));
        let itself = Environment { uid: own.uid(), ..agent };
        // Who is root reads all.
        assert_eq!(is_kept(0o044, &itself), own.uid() != 0);
        assert!(!is_kept(0o400, &itself) && !is_kept(0o600, &itself));
    }
}
