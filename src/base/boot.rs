//! Which boot of the machine this is.

/// What the kernel calls this boot of the machine; empty where it does not say.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
