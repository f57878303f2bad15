//! The names of builtins, which the agent knows without asking anybody: `builtin = "…"`.

/// The builtins that `backend` answers of the machine.
pub(crate) const FROM_MACHINE: [&str; 10] = [
    "agent-version",
    "hardware-uuid",
    "hostname",
    "language",
    "mac-uuid",
    "random-uuid",
    "uname-machine",
    "uname-release",
    "uname-sysname",
    "uname-version",
];

/// The builtins that `backend::Builtins` answers, besides [`FROM_ACCOUNT`].
pub(crate) const FROM_AGENT: [&str; 6] = [
    "delegation.AccessRights",
    "delegation.MAID",
    "delegation.MIID",
    "delegation.MOID",
    "session-bearer",
    "session-roaming",
];

/// The builtins that an account has for its DMAcc instance; each follows `account.`, named by its path there. Where
/// that is binary (`Auth.…`, of the approved text), it is base64.
pub(crate) const FROM_ACCOUNT: [&str; 14] = [
    "Auth.Bootstrap.SecMode",
    "Auth.Bootstrap.ServerURI",
    "Auth.Noti.Data",
    "Auth.Noti.Secret",
    "Auth.Trsp.Data",
    "AuthNoti.AuthSecret",
    "AuthNoti.AuthType",
    "Name",
    "Push.GCM.RegParams",
    "Push.GCM.RegURL",
    "Push.GCM.SenderID",
    "Push.GCM.UnRegURL",
    "ServerID",
    "SrvURI",
];

/// Whether a builtin's value is a secret: no serialisation, log or local reader ever gets it.
#[must_use]
pub(crate) fn is_secret(name: &str) -> bool {
    matches!(name, "account.AuthNoti.AuthSecret" | "account.Auth.Noti.Secret" | "account.Auth.Noti.Data")
}

/// Whether there is a builtin of that name: mappings are checked with it.
#[must_use]
pub(crate) fn known(name: &str) -> bool {
    let account = name.strip_prefix("account.").is_some_and(|value| FROM_ACCOUNT.contains(&value));
    account || FROM_MACHINE.contains(&name) || FROM_AGENT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_may_name_what_is_answered() {
        for name in ["agent-version", "session-bearer", "account.SrvURI", "account.AuthNoti.AuthSecret"] {
            assert!(known(name), "{name}");
        }
        for name in ["SrvURI", "account.", "account.Permissions", "agent_version"] {
            assert!(!known(name), "{name}");
        }
    }
}
