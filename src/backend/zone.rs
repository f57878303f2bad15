//! The machine's time zone.

use std::io;

use super::context::Machine;
use super::error::BackendError;
use super::file;
use crate::base::wall_time::Zone;

/// The most bytes of a time zone's file.
const MAX: usize = 1 << 20;

/// The machine's time zone: of `/etc/localtime`, or else of the rule in `/etc/TZ`, as busybox and OpenWrt have it; UTC
/// where there is neither, as everything else on the machine has it then.
///
/// # Errors
/// [`BackendError`]: a file is there, but can't be read, so that nobody knows the zone.
pub async fn zone(machine: &Machine) -> Result<Zone, BackendError> {
    if let Some(localtime) = content(machine, "/etc/localtime").await? {
        return Ok(Zone::of(&localtime));
    }
    let rule = content(machine, "/etc/TZ").await?.unwrap_or_default();
    Ok(Zone::of_rule(&String::from_utf8_lossy(&rule)))
}

/// The content of a file; none where there is no such file.
async fn content(machine: &Machine, path: &str) -> Result<Option<Vec<u8>>, BackendError> {
    file::blocking(file::below(machine, path).await?, |path| {
        match file::try_load(path, MAX).map_err(io::Error::from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BackendError::File { path: path.to_path_buf(), error }),
            Ok(content) => Ok(Some(content)),
        }
    })
    .await
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the operator's tools write without the agent's care")]
mod tests {
    use super::*;
    use crate::backend::Bus;

    #[tokio::test]
    async fn the_zone_is_of_localtime_or_else_of_the_rule_that_there_is() {
        let root = tempfile::tempdir().unwrap();
        let machine = Machine::new(root.path().to_path_buf(), Bus::none());
        let minute = async || zone(&machine).await.unwrap().at(0).minute;
        assert_eq!(minute().await, 0);
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/TZ"), "CET-1CEST,M3.5.0,M10.5.0/3\n").unwrap();
        assert_eq!(minute().await, 60);
        std::fs::write(root.path().join("etc/localtime"), "").unwrap();
        assert_eq!(minute().await, 0, "what is no zone is UTC");
    }
}
