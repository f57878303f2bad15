//! Whether the privileged helper can be reached, as far as its socket tells: nothing is sent to it, or a look would
//! start it.

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

/// Where the kernel lists the sockets of this machine, with the paths that they are bound to.
const SOCKETS: &str = "/proc/self/net/unix";
/// The flag of a socket on which somebody listens.
const LISTENS: u32 = 1 << 16;

/// Why nobody can be reached at a socket; none where somebody can, as far as that can be told. It may block.
pub(super) fn unreachable(socket: &Path) -> Option<String> {
    let shown = socket.display();
    let metadata = match fs::metadata(socket) {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("{shown}: {error}")),
    };
    if !metadata.file_type().is_socket() {
        return Some(format!("{shown} is no socket"));
    }
    if let Err(error) = access(socket, AccessFlags::W_OK) {
        return Some(format!("{shown} is not for the agent's user: {}", std::io::Error::from(error)));
    }
    let known = fs::canonicalize(socket).unwrap_or_else(|_| socket.to_path_buf());
    let listed = fs::read_to_string(SOCKETS).ok().filter(|listed| listed.lines().count() > 1)?;
    let is_it = |path: &str| Path::new(path) == socket || Path::new(path) == known;
    let is_heard = listed.lines().filter_map(listening).any(is_it);
    (!is_heard).then(|| format!("nobody listens at {shown}"))
}

/// The path of a socket on which somebody listens, of a line of the kernel's list: number, references, protocol, flags,
/// type, state, inode, path.
fn listening(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
    let path = words.nth(3)?;
    (flags & LISTENS != 0).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_reached_while_somebody_listens_at_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        assert!(unreachable(&socket).unwrap().contains("No such file"));
        let listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(unreachable(&socket), None);
        drop(listener);
        assert!(unreachable(&socket).unwrap().starts_with("nobody listens at "));
        let file = folder.path().join("file");
        fs::File::create(&file).unwrap();
        assert!(unreachable(&file).unwrap().ends_with(" is no socket"));
    }
}
