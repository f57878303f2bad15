//! What the helper knows without being told: part of the program, for whoever could change it elsewhere would be root.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::{User, alarm};

use super::NAME;
use super::walk::Rule;
use crate::backend::{AGENT_USER, Stage};

/// The user of programs that are asked whether something may be done, or what there is: their answers are believed, so
/// that they are not the agent's, who could trace them. Where the machine has no such user they are `nobody`'s.
const JUDGE: &str = "omadm-run";

/// The fixed points of the helper. Tests have others.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// The folder above which nothing is looked at.
    pub(super) root: PathBuf,
    /// The owner of all that is believed.
    pub(super) owner: u32,
    /// The folders of management objects, the one that counts more last.
    pub(super) objects: Vec<PathBuf>,
    /// The folder of the programs that are asked before an EXEC.
    pub(super) vetoes: PathBuf,
    /// The folder of the results of EXECs.
    pub(super) results: PathBuf,
    /// The folder of what was there before changes.
    pub(super) kept: PathBuf,
    /// The agent's user and group.
    pub(super) agent: (u32, u32),
    /// How long an operation that is no EXEC may take, beyond what its mapping gives it, in seconds: then the process
    /// ends itself, whatever hangs in it. Tests, which are that process, have none.
    pub(super) longest: Option<u32>,
    /// What programs begin in.
    pub(super) stage: Stage,
}

impl Rules {
    /// The rules of the program.
    ///
    /// # Errors
    /// There is no user called `omadm`.
    pub(super) fn of_program() -> io::Result<Self> {
        let user = User::from_name(AGENT_USER)?.ok_or_else(|| {
            io::Error::other(format!("there is no user {AGENT_USER}: nobody may ask for anything"))
        })?;
        let judge = if User::from_name(JUDGE)?.is_some() { JUDGE } else { "nobody" };
        Ok(Self {
            root: "/".into(),
            owner: 0,
            objects: vec!["/usr/share/omadm/mo".into(), "/etc/omadm/mo.d".into()],
            vetoes: "/etc/omadm/exec-veto.d".into(),
            results: "/run/omadm-exec".into(),
            kept: "/var/lib/omadm-exec".into(),
            agent: (user.uid.as_raw(), user.gid.as_raw()),
            longest: Some(60),
            stage: Stage { program: "/proc/self/exe".into(), name: NAME, judge },
        })
    }

    /// Has the process end itself when an operation takes so much longer than `more`.
    pub(super) fn bound(&self, more: Duration) {
        if let Some(longest) = self.longest {
            let more = u32::try_from(more.as_secs()).unwrap_or(u32::MAX);
            alarm::set(longest.saturating_add(more));
        }
    }

    /// The rule for what is believed: it is root's alone.
    pub(super) fn owners(&self) -> Rule {
        Rule::Owners(self.owner)
    }

    /// The rule for files that are read and changed as root: nobody else has a hand in where they are.
    pub(super) fn files(&self) -> Rule {
        Rule::Files { owner: self.owner, agent: self.agent }
    }
}
