//! The system's root certificates: read when they are first needed and where they have changed since, and kept for all
//! accounts, over any reload.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;

use super::error::Failure;
use crate::base::lane;

/// The roots that were read last, and the stamps of the files they are from. Reading some hundred files and parsing
/// them takes a gateway longer than all the rest of a reload, and each copy a quarter of a megabyte.
static KEPT: Mutex<Option<(Vec<Stamp>, Arc<RootCertStore>)>> = Mutex::new(None);

/// The state of a file or folder when it was read: device, inode, size, seconds and nanoseconds of its last change.
type Stamp = (PathBuf, Option<[i128; 5]>);

/// The system's roots; read again only where the system has other ones since.
pub(super) async fn of_system() -> Result<Arc<RootCertStore>, Failure> {
    let unread = |stuck| Failure::Connect(std::io::Error::other(format!("trusted certificates: {stuck}")));
    looked_at().await.map_err(unread)?
}

/// The system's roots; those that were `known`, where their file system does not answer. Where none can be read any
/// more, nobody is trusted.
pub(super) async fn of_system_or(known: &Arc<RootCertStore>) -> Result<Arc<RootCertStore>, Failure> {
    looked_at().await.unwrap_or_else(|_| Ok(Arc::clone(known)))
}

async fn looked_at() -> Result<Result<Arc<RootCertStore>, Failure>, lane::Stuck> {
    let places = openssl_probe::probe();
    let place = places.cert_file.or_else(|| places.cert_dir.into_iter().next()).unwrap_or_else(|| "/".into());
    lane::FILES.at(place, |_| up_to_date(&KEPT, read)).await
}

fn up_to_date(
    kept: &Mutex<Option<(Vec<Stamp>, Arc<RootCertStore>)>>,
    read: impl FnOnce() -> Result<RootCertStore, Failure>,
) -> Result<Arc<RootCertStore>, Failure> {
    let stamps = stamps();
    if let Some((before, roots)) = &*kept.lock().unwrap_or_else(PoisonError::into_inner)
        && *before == stamps
    {
        return Ok(Arc::clone(roots));
    }
    let roots = Arc::new(read()?);
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((stamps, Arc::clone(&roots)));
    Ok(roots)
}

fn read() -> Result<RootCertStore, Failure> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        let reason = loaded.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(Failure::NoRoots(reason));
    }
    log::debug!("the system's root certificates are read: {}", roots.len());
    Ok(roots)
}

/// The places where root certificates are looked for, each with its state.
fn stamps() -> Vec<Stamp> {
    let openssl_probe::ProbeResult { cert_file, cert_dir } = openssl_probe::probe();
    cert_file.into_iter().chain(cert_dir).map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &std::path::Path) -> Option<[i128; 5]> {
    let found = std::fs::metadata(path).ok()?;
    let wide = |number: u64| i128::from(number);
    Some([
        wide(found.dev()),
        wide(found.ino()),
        wide(found.size()),
        i128::from(found.ctime()),
        i128::from(found.ctime_nsec()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_are_read_once_and_again_where_their_files_have_changed() {
        let kept = Mutex::new(None);
        let first = up_to_date(&kept, || Ok(RootCertStore::empty())).unwrap();
        let again = up_to_date(&kept, || panic!("read a second time")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        if let Some((stamps, _)) = &mut *kept.lock().unwrap() {
            stamps.push((PathBuf::from("/etc/ssl/other"), None));
        }
        let other = up_to_date(&kept, || Ok(RootCertStore::empty())).unwrap();
        assert!(!Arc::ptr_eq(&first, &other));
        let failed = || Err(Failure::NoRoots("none found".to_owned()));
        assert!(up_to_date(&kept, failed).is_ok(), "nothing has changed");
    }

    #[test]
    fn a_file_that_is_replaced_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        assert_eq!(stamp(&file), None);
        crate::base::files::replace(&file, b"one", 0o600).unwrap();
        let first = stamp(&file);
        crate::base::files::replace(&file, b"longer", 0o600).unwrap();
        assert_ne!(stamp(&file), first);
    }
}
