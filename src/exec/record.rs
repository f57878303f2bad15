//! The fate, at the agent's next start, of an EXEC that the store has.

use super::{Finished, ProcessGroup};
use crate::store::records::ExecRecord;
use crate::tree::Invocation;
use crate::uri::ServerId;

/// The most starts of a program that is to go on after a reboot (`resume = true`), or a mapping that is wrong would
/// reboot the gateway for ever.
const MOST_STARTS: u32 = 8;

/// The fate of an EXEC that was waiting or running when the agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The EXEC is started: it had not been yet, or it goes on by itself where it was.
    Start,
    /// The EXEC goes on without the agent, or has ended without it: its result is collected.
    Collect,
    /// The EXEC is over, with this result.
    Over(u16),
}

impl ExecRecord {
    /// Makes the record of an EXEC that was not started yet.
    #[must_use]
    pub fn new(server_id: &ServerId, invocation: &Invocation) -> Self {
        Self {
            server_id: server_id.to_owned(),
            client_uri: invocation.node.client_uri(),
            alert_type: invocation.alert_type.clone(),
            report_to: invocation.report_to.clone(),
            after_session: invocation.after_session,
            resume: invocation.resume,
            needs_permission: invocation.needs_permission(),
            starts: 0,
            boot: String::new(),
            process_group: None,
            request: None,
            code: None,
            exit: None,
            alert: invocation.alert.clone(),
        }
    }

    /// The record of the EXEC when it is started once more, by the helper's request of this name or by the agent
    /// itself.
    #[must_use]
    pub fn started(&self, boot: &str, request: Option<String>) -> Self {
        Self {
            starts: self.starts.saturating_add(1),
            boot: boot.to_owned(),
            process_group: None,
            request,
            ..self.clone()
        }
    }

    /// The name of the request by which the helper runs the EXEC, or has run it, in this boot: its result is there,
    /// or will be.
    #[must_use]
    pub fn runs_elsewhere(&self, boot: &str) -> Option<&str> {
        let is_of_boot = !boot.is_empty() && self.boot == boot && self.code.is_none();
        self.request.as_deref().filter(|_| is_of_boot)
    }

    /// Kills what the agent's death left running: no node is executed twice at a time. Returns whether there was
    /// anything.
    #[must_use]
    pub fn kill_left_over(&self, boot: &str) -> bool {
        !boot.is_empty() && self.boot == boot && self.process_group.is_some_and(ProcessGroup::kill)
    }

    /// The fate of the EXEC in this boot.
    ///
    /// What was promised with 202 for the end of a session is kept: a power cut that came before may have done the
    /// same as a reboot that was asked for, but that is nothing the agent can know. What ran and did not come to its
    /// end has failed, with two exceptions: a program that goes on after a reboot is started again and says itself
    /// what became of it; and what is done after a session is mostly a reboot, which has succeeded if there was one.
    #[must_use]
    pub fn fate(&self, boot: &str) -> Fate {
        if let Some(code) = self.code {
            return Fate::Over(code);
        }
        if self.runs_elsewhere(boot).is_some() {
            return Fate::Collect;
        }
        let rebooted = !boot.is_empty() && self.boot != boot;
        match self.starts {
            0 => Fate::Start,
            1..MOST_STARTS if self.resume => Fate::Start,
            _ if self.after_session && !self.resume && rebooted => Fate::Over(200),
            _ => Fate::Over(500),
        }
    }

    /// The end of the EXEC, to be told.
    #[must_use]
    pub fn finished(&self, number: u64, code: u16) -> Finished {
        Finished {
            number,
            server_id: self.server_id.clone(),
            client_uri: self.client_uri.clone(),
            alert_type: self.alert_type.clone(),
            code,
            report_to: self.report_to.clone(),
            exit: match (self.code, code) {
                (Some(_), _) => self.exit,
                // A reboot that was asked for.
                (None, 200) => Some(0),
                (None, _) => None,
            },
            alert: self.alert.clone(),
            why: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(after_session: bool, resume: bool, starts: u32) -> ExecRecord {
        ExecRecord {
            server_id: "a".into(),
            client_uri: "urn:m/1/Do".into(),
            alert_type: "urn:x".into(),
            report_to: Some("https://elsewhere.example/".into()),
            after_session,
            resume,
            needs_permission: false,
            starts,
            boot: "this".into(),
            process_group: None,
            request: None,
            code: None,
            exit: None,
            alert: None,
        }
    }

    #[test]
    fn what_the_helper_runs_is_collected_as_long_as_the_machine_is_up() {
        for (after_session, resume) in [(false, false), (true, false), (false, true)] {
            let request = Some("7-1".to_owned());
            let record = ExecRecord { request, ..record(after_session, resume, 1) };
            assert_eq!(record.fate("this"), Fate::Collect);
            assert_ne!(record.fate("next"), Fate::Collect);
            assert_ne!(record.fate(""), Fate::Collect, "nobody knows");
            assert_eq!(ExecRecord { code: Some(200), ..record }.fate("this"), Fate::Over(200));
        }
    }

    #[test]
    fn what_ran_when_the_agent_died_has_failed() {
        for boot in ["this", "next", ""] {
            assert_eq!(record(false, false, 1).fate(boot), Fate::Over(500));
        }
    }

    #[test]
    fn what_waited_is_started_and_a_reboot_is_never_started_twice() {
        assert_eq!(record(true, false, 0).fate("next"), Fate::Start);
        assert_eq!(record(true, false, 1).fate("next"), Fate::Over(200), "there was one");
        assert_eq!(record(true, false, 1).fate("this"), Fate::Over(500), "the agent died alone");
        assert_eq!(record(true, false, 1).fate(""), Fate::Over(500), "nobody knows");
    }

    #[test]
    fn what_goes_on_after_a_reboot_is_started_again_but_not_for_ever() {
        for after_session in [false, true] {
            assert_eq!(record(after_session, true, 1).fate("next"), Fate::Start);
            assert_eq!(record(after_session, true, 7).fate("this"), Fate::Start);
            assert_eq!(record(after_session, true, 8).fate("next"), Fate::Over(500));
        }
    }

    #[test]
    fn what_had_ended_keeps_its_result_and_is_not_started_again() {
        for resume in [false, true] {
            let ended = ExecRecord { code: Some(200), ..record(false, resume, 1) };
            assert_eq!(ExecRecord::from_json(&ended.to_json()).unwrap().fate("this"), Fate::Over(200));
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record(true, true, 2);
        assert_eq!(ExecRecord::from_json(&record.to_json()), Some(record.clone()));
        assert_eq!(ExecRecord::from_json(b"{"), None);
        assert_eq!(record.started("next", None).boot, "next");
        assert_eq!(record.started("next", None).starts, 3);
    }
}
