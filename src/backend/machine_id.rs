//! An id of this machine that says nothing about its machine-id(5), which is to stay private.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use nix::sys::statfs;
use sha2::Sha256;

use super::answer::Answer;
use super::context::Machine;
use super::error::BackendError;
use super::file;
use super::hardware::uuid_of;

/// The files where the machine-id is, the first that has one counts.
pub(super) const PATHS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// The UUID that machine and application make together, and whether it is for this boot only.
pub(super) async fn get(
    machine: &Machine,
    application: &[u8; 16],
) -> Result<Answer<(String, bool)>, BackendError> {
    for path in PATHS {
        let content = match file::content(machine, path).await? {
            Answer::Value(content) => content,
            Answer::Absent(_) => continue,
            Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
        };
        let text = String::from_utf8_lossy(&content);
        if text.trim() == "uninitialized" {
            return Ok(Answer::Unavailable(format!("{path}: the first boot is not over")));
        }
        if let Some(uuid) = parse(text.trim()).and_then(|id| derive(&id, application)) {
            let transient =
                file::blocking(file::below(machine, path).await?, |path| Ok(is_transient(path))).await?;
            return Ok(Answer::Value((uuid, transient)));
        }
    }
    Ok(Answer::Absent(format!("no valid id in {}", PATHS.join(" or "))))
}

/// Whether the id is for this boot only: a system with a read-only /etc mounts an id made at boot over the file.
fn is_transient(path: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|metadata| metadata.dev()).ok();
    let mounted = path.parent().is_some_and(|folder| device(folder) != device(path));
    mounted && statfs::statfs(path).is_ok_and(|stat| stat.filesystem_type() == statfs::TMPFS_MAGIC)
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(text, 16).ok().filter(|number| digits && *number != 0)?;
    Some(number.to_be_bytes())
}

/// Derives the id as `sd_id128_get_machine_app_specific(3)` does it, so that `systemd-id128 machine-id -a UUID` tells
/// the same.
fn derive(machine: &[u8; 16], application: &[u8; 16]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(machine).ok()?;
    mac.update(application);
    let digest = mac.finalize().into_bytes();
    let first: [u8; 16] = digest.get(..16)?.try_into().ok()?;
    Some(uuid_of(first, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: [u8; 16] = 0xa8d2_0b1f_5c3e_4f60_9b7a_1122_3344_5566_u128.to_be_bytes();

    #[test]
    fn the_same_as_systemd_says() {
        // systemd-id128 machine-id -u -a …, with this machine-id.
        let id = parse("0f1e2d3c4b5a69788796a5b4c3d2e1f0").unwrap();
        assert_eq!(derive(&id, &APPLICATION).unwrap(), "728d34f4-41ad-4ef3-a67e-4a5ab099a153");
    }

    #[test]
    fn only_32_digits_that_are_not_all_zero() {
        for wrong in [
            "",
            "uninitialized",
            "3d12",
            "00000000000000000000000000000000",
            "+f1e2d3c4b5a69788796a5b4c3d2e1f0",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
