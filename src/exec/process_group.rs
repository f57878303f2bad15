//! The process group of an EXEC, known again by an agent that has died and started anew.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::store::records::ProcessGroup;

impl ProcessGroup {
    /// The process with this id; none where it has ended.
    #[must_use]
    pub fn find(id: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some(Self { id, since: started(&stat)? })
    }

    /// Kills the group if anything of it still runs, in the boot in which it was started. Returns whether it did.
    #[must_use]
    pub fn kill(self) -> bool {
        // 1 and less would be a signal to everyone.
        self.id > 1
            && Self::find(self.id) == Some(self)
            && group_lives(self.id)
            && killpg(Pid::from_raw(self.id), Signal::SIGKILL).is_ok()
    }
}

/// Whether a process of the group runs. One that has ended and that nobody asks after is still there by its name.
fn group_lives(group: i32) -> bool {
    let Ok(entries) = std::fs::read_dir("/proc") else { return true };
    let stats = entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats.into_iter().any(|stat| lives_in(&stat, group))
}

/// Whether the content of `/proc/PID/stat` is of a running process of the group: the 3rd field is its state, the 5th
/// its group.
fn lives_in(stat: &str, group: i32) -> bool {
    let Some((_, rest)) = stat.rsplit_once(')') else { return false };
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next();
    !matches!(state, None | Some("Z" | "X")) && fields.nth(1).and_then(|id| id.parse().ok()) == Some(group)
}

/// The start time in the content of `/proc/PID/stat`, its 22nd field. The second may hold anything, parentheses as
/// well.
fn started(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;

    use super::*;

    #[test]
    fn a_start_time_is_found_whatever_the_program_is_called() {
        let rest = "S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4711 99 98";
        for name in ["sh", "a b", "a) S 1 (b"] {
            assert_eq!(started(&format!("7 ({name}) {rest}")), Some(4711), "{name}");
        }
        assert_eq!(started("7 (sh) S 1"), None);
        assert_eq!(started(""), None);
    }

    #[test]
    fn a_group_is_killed_and_a_later_one_of_the_same_id_is_not() {
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        let process_group = ProcessGroup::find(child.id().try_into().unwrap()).unwrap();
        let earlier = ProcessGroup { since: process_group.since.wrapping_sub(1), ..process_group };
        assert!(!earlier.kill());
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(process_group.kill());
        while group_lives(process_group.id) {
            std::thread::yield_now();
        }
        assert_eq!(
            ProcessGroup::find(process_group.id),
            Some(process_group),
            "nobody has asked after it yet"
        );
        assert!(!process_group.kill(), "there was nothing left");
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert!(!process_group.kill());
        for id in [-1, 0, 1] {
            assert!(!ProcessGroup { id, since: 0 }.kill());
        }
    }
}
