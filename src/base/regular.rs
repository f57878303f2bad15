//! Reads regular files whole, bounded: never a pipe that blocks, never a file that fills the memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::lane;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file isn't there, may not be read, or the disk failed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The path leads to a folder, a pipe or a device.
    #[error("is not a regular file")]
    NotRegular,
    /// The file holds more bytes than this.
    #[error("is larger than {} KiB", .0 / 1024)]
    TooLarge(u64),
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => error,
            ReadError::NotRegular => Self::new(io::ErrorKind::InvalidInput, "not a regular file"),
            ReadError::TooLarge(_) => Self::new(io::ErrorKind::FileTooLarge, error),
        }
    }
}

/// Opens a regular file; symbolic links are followed, as configuration management makes them.
///
/// # Errors
/// What the system says, and everything that is no regular file.
pub(crate) fn open(path: &Path) -> Result<File, ReadError> {
    lane::announce(path).map_err(io::Error::other)?;
    open_entered(path)
}

/// [`open`] for work that a lane has let go to `path`.
fn open_entered(path: &Path) -> Result<File, ReadError> {
    // Opening a device may do something.
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotRegular);
    }
    // Another file may be there by now. Without O_NONBLOCK, opening a pipe waits for its writer.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(ReadError::NotRegular) }
}

/// Reads an open file to its end, at most `limit` bytes.
///
/// # Errors
/// What the system says, and more than `limit` bytes.
pub(crate) fn read_open(file: impl Read, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(ReadError::TooLarge(limit)) } else { Ok(bytes) }
}

/// Reads the regular file at `path`, at most `limit` bytes.
///
/// # Errors
/// Those of [`open`] and [`read_open`].
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    read_open(open(path)?, limit)
}

/// [`read`] for work that a lane has let go to `path`.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_entered(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    read_open(open_entered(path)?, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_does_not_block_and_a_device_does_not_fill_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
            assert!(matches!(read(path, 10), Err(ReadError::NotRegular)), "{}", path.display());
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fn the_limit_is_the_last_size_that_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, [7; 2048]).unwrap();
        assert_eq!(read(&path, 2048).unwrap().len(), 2048);
        assert_eq!(read(&path, 2047).unwrap_err().to_string(), "is larger than 1 KiB");
    }
}
