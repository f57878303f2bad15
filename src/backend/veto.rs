//! Asking the machine's own programs about an EXEC: any of them may say no.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::error::BackendError;
use super::file;
use super::run::{self, Exit};
use crate::base::Order as _;
use crate::base::package_names;
use crate::base::said::SaidOf;

/// The most programs that are asked.
const MOST: usize = 64;

/// The files that can't be run, and folders that are not there, of which the journal has a line.
static SAID: SaidOf<PathBuf> = SaidOf::at_most(64);

/// The programs in a folder, by their names; none where there is no folder. Hidden ones, and what editors and packages
/// leave beside a file, are none; of what can't be run the journal has a line.
///
/// # Errors
/// [`BackendError`]: whether there are any can't be told.
pub async fn programs(folder: &Path) -> Result<Vec<PathBuf>, BackendError> {
    file::blocking(folder.to_path_buf(), |folder| {
        let failed = |error| BackendError::File { path: folder.to_path_buf(), error };
        let Some(files) = files(folder).map_err(failed)? else {
            if SAID.first(folder.to_path_buf()) {
                log::info!(
                    "there is no {}: nobody is asked about EXECs whose mapping says `veto`",
                    folder.display()
                );
            }
            return Ok(Vec::new());
        };
        let (mut programs, mute): (Vec<PathBuf>, Vec<PathBuf>) =
            files.into_iter().partition(|path| is_executable(path));
        for path in mute {
            if SAID.first(path.clone()) {
                log::warn!(
                    "{} is not executable, and so not asked about EXECs: chmod +x, or remove it",
                    path.display()
                );
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

/// The files in a folder that are not executable, and so are not asked; none where the folder is not there.
///
/// # Errors
/// The folder can't be read.
pub fn not_asked(folder: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    let mute = |files: Vec<PathBuf>| files.into_iter().filter(|path| !is_executable(path)).collect();
    files(folder).map(|files| files.map(mute))
}

/// The files in a folder that are meant as programs; none where the folder is not there.
fn files(folder: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let shown = name.to_string_lossy();
        let is_left =
            shown.starts_with('.') || shown.starts_with("README") || package_names::is_beside_another(name);
        if !is_left && fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            files.push(path);
        }
    }
    Ok(Some(files))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.mode() & 0o111 != 0)
}

/// Runs one of the [`programs`], without arguments, and waits for its end.
///
/// # Errors
/// It can't be started.
pub async fn ask(program: &Path, context: &Context<'_>) -> Result<Exit, BackendError> {
    run::ask(program, context).await
}
