//! How the machine's services are looked at: by systemd's tools where it runs, else by init scripts and the log there is.

use std::path::Path;

/// What the services of a machine are managed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Services {
    /// systemd: there are its tools, and its journal.
    Systemd,
    /// Another one, which begins init scripts: procd, or sysvinit.
    Scripts,
}

impl Services {
    /// Those of this machine.
    pub(super) fn here() -> Self {
        Self::below(Path::new("/"))
    }

    fn below(root: &Path) -> Self {
        if root.join("run/systemd/system").is_dir() { Self::Systemd } else { Self::Scripts }
    }

    /// The command that says whether a unit runs.
    pub(super) fn status_of(self, unit: &str) -> String {
        match self {
            Self::Systemd => format!("systemctl status {unit}"),
            Self::Scripts => {
                format!("/etc/init.d/{} status", unit.split_once('.').map_or(unit, |(name, _)| name))
            }
        }
    }

    /// The command that shows what the agent has logged.
    pub(super) fn log(self) -> &'static str {
        match self {
            Self::Systemd => "journalctl -u omadmd",
            Self::Scripts if Path::new("/sbin/logread").exists() => "logread -e omadm",
            Self::Scripts => "grep omadm /var/log/messages",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_systemd_is_not_asked_by_its_tools() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Services::below(root.path()), Services::Scripts);
        std::fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        assert_eq!(Services::below(root.path()), Services::Systemd);
        let unit = "omadm-exec.socket";
        assert_eq!(Services::Scripts.status_of(unit), "/etc/init.d/omadm-exec status");
        assert_eq!(Services::Systemd.status_of(unit), "systemctl status omadm-exec.socket");
        assert!(!Services::Scripts.log().contains("journalctl"));
    }
}
