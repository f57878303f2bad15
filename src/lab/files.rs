//! Files of a bench: written whole, with the mode that a secret or a script needs.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Writes `content` to `path`, making the folders above it. `mode` is exact, whatever the umask.
///
/// # Errors
/// The path, and what the system says of it.
pub fn put(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(named)?;
    }
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).map_err(named)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(named)?;
    file.write_all(content.as_ref()).map_err(named)
}

/// The mode of a file that anybody may read.
pub const PLAIN: u32 = 0o644;
/// The mode of a secret.
pub const SECRET: u32 = 0o600;
/// The mode of a program.
pub const PROGRAM: u32 = 0o755;
