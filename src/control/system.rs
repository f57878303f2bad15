//! What hints name, as this system has it: not every gateway has systemd, its resolver, or `usermod`.

use std::path::Path;

/// A command that not every system has.
struct Command {
    named: &'static str,
    /// Where one of these is, it makes sense.
    there: &'static [&'static str],
    /// What to use elsewhere: this may be one that another row replaces.
    elsewhere: &'static str,
}

const SYSTEMD: &[&str] = &["/run/systemd/system"];

/// The commands, each before what it is replaced by.
const COMMANDS: [Command; 12] = [
    Command { named: "systemctl status dbus", there: SYSTEMD, elsewhere: "/etc/init.d/dbus status" },
    Command {
        named: "systemctl status omadm-exec.socket",
        there: SYSTEMD,
        elsewhere: "/etc/init.d/omadm-exec status",
    },
    Command { named: "systemctl status omadmd", there: SYSTEMD, elsewhere: "/etc/init.d/omadmd status" },
    Command {
        named: "systemctl show -p Environment omadmd",
        there: SYSTEMD,
        elsewhere: "tr '\\0' '\\n' </proc/$(pidof omadmd)/environ",
    },
    Command { named: "timedatectl", there: SYSTEMD, elsewhere: "date" },
    Command { named: "journalctl -u omadmd", there: SYSTEMD, elsewhere: "logread -e omadm" },
    Command {
        named: "journalctl -t omadm-exec -t omadmd -n 20",
        there: SYSTEMD,
        elsewhere: "logread -e omadm",
    },
    Command {
        named: "logread -e omadm",
        there: &["/sbin/logread", "/usr/sbin/logread", "/bin/logread", "/usr/bin/logread"],
        elsewhere: "grep omadm /var/log/messages",
    },
    Command {
        named: "resolvectl query HOST",
        there: &["/run/systemd/resolve"],
        elsewhere: "getent hosts HOST",
    },
    Command {
        named: "getent hosts HOST",
        there: &["/usr/bin/getent", "/bin/getent"],
        elsewhere: "nslookup HOST",
    },
    Command {
        named: "resolvectl status",
        there: &["/run/systemd/resolve"],
        elsewhere: "cat /etc/resolv.conf",
    },
    Command {
        named: "usermod -aG omadm-admin $USER",
        there: &["/usr/sbin/usermod", "/sbin/usermod"],
        elsewhere: "adduser $USER omadm-admin",
    },
];

/// Text whose commands are those of this system.
pub(super) fn fit(text: &str) -> String {
    fitted(text, |path| Path::new(path).exists())
}

fn fitted(text: &str, is_there: impl Fn(&str) -> bool) -> String {
    COMMANDS.iter().fold(text.to_owned(), |text, Command { named, there, elsewhere }| {
        let is_lacking = text.contains(named) && !there.iter().any(|path| is_there(path));
        if is_lacking { text.replace(named, elsewhere) } else { text }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_what_the_system_has() {
        let said = "`resolvectl query HOST`, `journalctl -u omadmd`, `sudo usermod -aG omadm-admin $USER`";
        assert_eq!(fitted(said, |_| true), said);
        let of_debian = fitted(said, |path| !path.contains("resolve"));
        assert!(
            of_debian.starts_with("`getent hosts HOST`, `journalctl -u omadmd`, `sudo usermod"),
            "{of_debian}"
        );
        let of_openwrt = fitted(said, |path| path == "/sbin/logread");
        assert_eq!(of_openwrt, "`nslookup HOST`, `logread -e omadm`, `sudo adduser $USER omadm-admin`");
        let bare = fitted(said, |_| false);
        assert!(bare.contains("`grep omadm /var/log/messages`"), "{bare}");
    }
}
