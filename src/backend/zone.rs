//! The machine's time zone.

use std::io;

use super::context::Machine;
use super::error::BackendError;
use super::file;
use crate::base::wall_time::Zone;

/// The most bytes of a time zone's file.
const MAX: usize = 1 << 20;

/// The machine's time zone, of `/etc/localtime`; UTC where there is none, as everything else on the machine has it
/// then.
///
/// # Errors
/// [`BackendError`]: the file is there, but can't be read, so that nobody knows the zone.
pub async fn zone(machine: &Machine) -> Result<Zone, BackendError> {
    let content = file::blocking(file::below(machine, "/etc/localtime")?, |path| {
        match file::try_load(path, MAX).map_err(io::Error::from) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(BackendError::File { path: path.to_path_buf(), error }),
            Ok(content) => Ok(content),
        }
    });
    Ok(Zone::of(&content.await?))
}
