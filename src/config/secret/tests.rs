use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

/// A folder with the file `s`, of this mode, and the environment in which this process is the agent.
#[expect(clippy::disallowed_methods, reason = "a test's own file")]
fn secret(content: &[u8], mode: u32) -> (TempDir, FileRef, Environment) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    let environment = Environment { credentials: None, uid: metadata.uid(), gid: metadata.gid() };
    (folder, FileRef::Path(path), environment)
}

#[test]
fn one_newline_is_no_part_of_a_secret_and_everything_else_is() {
    for (content, expected) in [
        (&b"s3cret\n"[..], &b"s3cret"[..]),
        (b"s3cret", b"s3cret"),
        (b"s3cret\n\n", b"s3cret\n"),
        (b" s3cret\r\n", b" s3cret\r"),
        (b"\xff\x00\x0a", b"\xff\x00"),
    ] {
        let (_folder, file, environment) = secret(content, 0o600);
        assert_eq!(file.secret(&environment).unwrap().expose(), expected);
    }
}

#[test]
fn an_empty_secret_is_refused_for_it_would_admit_everybody() {
    for content in [&b""[..], b"\n"] {
        let (_folder, file, environment) = secret(content, 0o600);
        assert!(matches!(file.secret(&environment), Err(SecretError::Empty(_))));
    }
}

#[test]
fn modes_that_let_others_in_are_refused() {
    for mode in [0o400, 0o600, 0o640, 0o440, 0o700] {
        let (_folder, file, environment) = secret(b"s", mode);
        assert!(file.secret(&environment).is_ok(), "{mode:o}");
    }
    for mode in [0o604, 0o602, 0o601, 0o644, 0o666, 0o777] {
        let (_folder, file, environment) = secret(b"s", mode);
        assert!(matches!(file.secret(&environment), Err(SecretError::Others { .. })), "{mode:o}");
    }
    for mode in [0o620, 0o660, 0o610, 0o650] {
        let (_folder, file, environment) = secret(b"s", mode);
        assert!(matches!(file.secret(&environment), Err(SecretError::GroupWrites { .. })), "{mode:o}");
    }
}

#[test]
fn what_root_alone_reads_is_told_to_root_who_checks_it() {
    for (mode, is_kept) in [(0o600, true), (0o640, false)] {
        let (_folder, file, environment) = secret(b"s", mode);
        if environment.uid != 0 {
            // Only root has files that are not its own, and reads them.
            return;
        }
        let agent = Environment { uid: 4711, ..environment };
        assert_eq!(matches!(file.secret(&agent), Err(SecretError::Kept { .. })), is_kept, "{mode:o}");
        assert_eq!(matches!(file.public(&agent), Err(SecretError::Kept { .. })), is_kept, "{mode:o}");
    }
    let (_folder, file, environment) = secret(b"s", 0o604);
    let agent = Environment { uid: 4711, gid: environment.gid + 1, ..environment };
    assert!(file.public(&agent).is_ok(), "a certificate is everybody's");
    let of_group = Environment { gid: agent.gid - 1, ..agent };
    assert!(file.public(&of_group).is_err(), "but not of who is in a group that may not read it");
}

#[test]
fn only_the_agents_own_group_may_read() {
    let (_folder, file, mut environment) = secret(b"s", 0o640);
    environment.gid += 1;
    assert!(matches!(file.secret(&environment), Err(SecretError::Group { .. })));
    let (_folder, file, mut environment) = secret(b"s", 0o600);
    environment.gid += 1;
    assert!(file.secret(&environment).is_ok());
}

#[test]
fn strangers_may_not_own_a_secret_but_root_may() {
    let (_folder, file, mut environment) = secret(b"s", 0o640);
    let owner = environment.uid;
    environment.uid += 1;
    assert_eq!(file.secret(&environment).is_ok(), owner == 0);
    if owner == 0 {
        let FileRef::Path(path) = &file else { panic!("not a path") };
        std::os::unix::fs::chown(path, Some(7), None).unwrap();
        assert!(matches!(file.secret(&environment), Err(SecretError::Owner { owner: 7, .. })));
    }
}

#[test]
fn a_link_is_judged_by_what_it_leads_to() {
    let (folder, _, environment) = secret(b"s", 0o644);
    let link = folder.path().join("link");
    symlink("s", &link).unwrap();
    assert!(matches!(FileRef::Path(link).secret(&environment), Err(SecretError::Others { .. })));
}

#[test]
fn a_secret_is_bounded() {
    let (_folder, file, environment) = secret(&[b's'; 65_537], 0o600);
    let error = file.secret(&environment).unwrap_err();
    assert!(error.to_string().ends_with("is larger than 64 KiB"), "{error}");
}

#[test]
fn credentials_come_from_systemds_folder_whatever_their_mode() {
    let (folder, _, mut environment) = secret(b"s\n", 0o444);
    environment.uid += 1;
    let reference = FileRef::Credential("s".to_owned());
    assert!(matches!(reference.secret(&environment), Err(SecretError::NoCredentials(_))));
    environment.credentials = Some(folder.path().to_path_buf());
    assert_eq!(reference.secret(&environment).unwrap().expose(), b"s");
}

#[test]
fn references_are_told_apart_and_a_credential_cannot_leave_its_folder() {
    let read = |text: &str| FileRef::from_item(&Item::String(text.to_owned()));
    assert_eq!(read("credential:acme.pw"), Some(FileRef::Credential("acme.pw".to_owned())));
    assert_eq!(read("credentials/acme"), Some(FileRef::Path("credentials/acme".into())));
    for wrong in ["", "credential:", "credential:..", "credential:../shadow", "credential:/etc/shadow"] {
        assert_eq!(read(wrong), None, "{wrong:?}");
    }
}

#[test]
fn no_message_shows_a_secret() {
    let (_folder, file, environment) = secret(b"hunter2", 0o644);
    let error = file.secret(&environment).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "Secret(…)");
}
