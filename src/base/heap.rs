//! The C library's heap settings: it takes them from the environment at a program's start, and never again.
//!
//! As it comes, glibc keeps what large work has left free, for the next time: small blocks that are kept for speed lie
//! anywhere among it, and it gives back from the end of a heap alone. A daemon that is at rest for days has no use for
//! that. So each block that is freed is joined to its neighbours at once, and what is free at the end goes back.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The environment variable that glibc takes its settings from.
pub(crate) const VARIABLE: &str = "GLIBC_TUNABLES";
/// The environment variable that marks a restarted process: a C library that is another one, or does not trust its
/// environment, may not keep [`VARIABLE`].
pub(crate) const SAID: &str = "OMADM_HEAP";
/// The heap settings: no block is kept aside, blocks of a page, as the store's cache has them, are mapped one by one, and
/// the stack of a thread that has ended goes with it.
const HOW: &str = "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0:glibc.malloc.trim_threshold=65536:glibc.malloc.mmap_threshold=4096:glibc.malloc.top_pad=16384:glibc.pthread.stack_cache_size=0";

/// Restarts the program as the same process with small heap settings, where the environment has none. The service has
/// it from its unit.
///
/// # Errors
/// It can't. It runs well as it is, if larger.
pub(crate) fn keep_small() -> io::Result<()> {
    let is_said = [VARIABLE, SAID].iter().any(|name| std::env::var_os(name).is_some());
    if is_said || !cfg!(target_env = "gnu") {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next();
    let mut again = Command::new(std::env::current_exe()?);
    again.arg0(name.as_deref().unwrap_or(OsStr::new("omadmd"))).args(arguments);
    again.env(VARIABLE, HOW).env(SAID, "1").env_remove("MALLOC_ARENA_MAX");
    Err(again.exec())
}

/// The memory of this process's own, in bytes; none where the kernel does not say.
pub(crate) fn own() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_says_it_too() {
        let unit = include_str!("../../systemd/omadmd.service");
        let said = format!("Environment={VARIABLE}={HOW}");
        assert!(unit.lines().any(|line| line == said), "{said}");
    }
}
