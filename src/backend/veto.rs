//! Asking the machine's own programs about an EXEC: any of them may say no.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::error::BackendError;
use super::file;
use super::run::{self, Exit};
use crate::base::Order as _;

/// The most programs that are asked.
const MOST: usize = 64;

/// The programs in a folder, by their names; none where there is no folder. Hidden ones, and what editors and packages
/// leave beside a file, are none.
///
/// # Errors
/// [`BackendError`]: whether there are any can't be told.
pub async fn programs(folder: &Path) -> Result<Vec<PathBuf>, BackendError> {
    file::blocking(folder.to_path_buf(), |folder| {
        let failed = |error| BackendError::File { path: folder.to_path_buf(), error };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut programs = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let is_left = name.starts_with('.') || name.ends_with('~') || name.contains(".dpkg-");
            let is_program =
                || fs::metadata(&path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0);
            if !is_left && is_program() {
                programs.push(path);
            }
        }
        programs.order();
        if programs.len() > MOST {
            return Err(BackendError::TooLarge { what: folder.display().to_string(), limit: MOST });
        }
        Ok(programs)
    })
    .await
}

/// Runs one of the [`programs`], without arguments, and waits for its end.
///
/// # Errors
/// It can't be started.
pub async fn ask(program: &Path, context: &Context<'_>) -> Result<Exit, BackendError> {
    run::ask(program, context).await
}
