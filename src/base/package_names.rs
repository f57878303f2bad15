//! The names that package managers give: to files that they unpack just now, and to those that they leave beside others.

use std::ffi::OsStr;

/// Whether a package manager has given this name for the time being: a file, or the one before it, is under it until all
/// is whole. dpkg gives `NAME.dpkg-new` and `.dpkg-tmp`, rpm `NAME;5f3a81c2`, apk `.apk.…`.
pub(crate) fn is_for_the_time_being(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_of_rpm = |(_, id): (&str, &str)| id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.ends_with(".dpkg-new")
        || name.ends_with(".dpkg-tmp")
        || name.starts_with(".apk.")
        || name.rsplit_once(';').is_some_and(is_of_rpm)
}

/// Whether a file of this name is none of its own: an editor's or a package manager's, beside the one that is meant.
pub(crate) fn is_beside_another(name: &OsStr) -> bool {
    let shown = name.to_string_lossy();
    is_for_the_time_being(name)
        || shown.ends_with('~')
        || shown.contains(".dpkg-")
        || [".rpmnew", ".rpmsave", ".rpmorig", ".apk-new", "-opkg"].iter().any(|end| shown.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_and_what_is_left() {
        let unpacked = ["a.toml.dpkg-new", "a.dpkg-tmp", "a.toml;5f3a81c2", ".apk.0a1b2c"];
        let left = [
            "a.toml.dpkg-dist",
            "a.dpkg-old",
            "a.rpmnew",
            "a.rpmsave",
            "a.rpmorig",
            "a.apk-new",
            "a-opkg",
            "a~",
        ];
        let own = ["a.toml", "a;b", "a;5f3a81c", "a;5f3a81cx", "dpkg-new", "a.apk", ".hidden"];
        for (names, expected) in
            [(&unpacked[..], [true, true]), (&left[..], [false, true]), (&own[..], [false, false])]
        {
            for name in names {
                let name = OsStr::new(name);
                assert_eq!([is_for_the_time_being(name), is_beside_another(name)], expected, "{name:?}");
            }
        }
    }
}
