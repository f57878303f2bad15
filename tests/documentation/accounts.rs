//! `docs/accounts.md`.

use std::collections::BTreeSet;

use super::{ACCOUNTS, LEAST, NESTED, Place, is_told, keys, place};
use crate::support::checked::{Folder, by_file, expected_beside};
use crate::support::page::tables;

/// The tables of `docs/accounts.md`.
const ACCOUNT: [(&str, Place); 10] = [
    (
        "account",
        place(
            "",
            &[("server-id", "server-id = \"least\""), ("server-uri", "server-uri = \"https://dm.example/\"")],
        ),
    ),
    ("permission", Place { before: LEAST, beside: &[("", "[[permissions]]"), ("moid", "moid = \"urn:m\"")] }),
    ("tls", Place { before: LEAST, beside: &[("", "[tls]")] }),
    ("auth", Place { before: LEAST, beside: &[("", "[auth]")] }),
    (
        "auth.password",
        Place {
            before: LEAST,
            beside: &[
                ("", "[auth.digest]"),
                ("user", "user = \"u\""),
                ("password-file", "password-file = \"acme.pw\""),
            ],
        },
    ),
    (
        "auth.certificate",
        Place {
            before: LEAST,
            beside: &[
                ("", "[auth.certificate]"),
                ("cert-file", "cert-file = \"acme-ca.pem\""),
                ("key-file", "key-file = \"acme.key\""),
            ],
        },
    ),
    (
        "account.notification",
        Place {
            before: LEAST,
            beside: &[("", "[notification]"), ("secret-file", "secret-file = \"acme.notify\"")],
        },
    ),
    ("account.schedule", Place { before: LEAST, beside: &[("", "[schedule]")] }),
    (
        "push",
        Place {
            before: LEAST,
            beside: &[
                ("", "[push]"),
                ("sender-id", "sender-id = \"1\""),
                ("register-uri", "register-uri = \"https://p.example/r\""),
                ("unregister-uri", "unregister-uri = \"https://p.example/u\""),
            ],
        },
    ),
    (
        "account.bootstrap",
        Place {
            before: LEAST,
            beside: &[("", "[bootstrap]"), ("server-uri", "server-uri = \"https://b.example/\"")],
        },
    ),
];

#[test]
fn the_page_of_the_accounts_has_all_keys_right_examples_and_errors() {
    let (page, folder) = (tables(ACCOUNTS), Folder::new());
    let known: BTreeSet<&str> = ACCOUNT.iter().map(|(name, _)| *name).collect();
    assert_eq!(page.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    let mut number = 0;
    let mut put = |text: String| {
        number += 1;
        let text = text
            .replace("\"least\"", &format!("\"s{number}\""))
            .replace("\"acme\"", &format!("\"s{number}\""));
        folder.put(&format!("accounts/n{number}.toml"), &text, 0o644);
        format!("n{number}")
    };
    let mut files = Vec::new();
    for (name, place) in &ACCOUNT {
        files.push((name, None, put(place.with("", "zzz = 1")), "keys"));
        for row in &page[*name] {
            files.push((name, Some(row), put(place.with(&row.key, &row.example)), "example"));
            files.push((name, Some(row), put(place.with(&row.key, &row.wrong)), "wrong"));
            for nested in ["{ zzz = 1 }", "[{ zzz = 1 }]"] {
                let line = format!("{} = {nested}", row.key);
                files.push((name, Some(row), put(place.with(&row.key, &line)), "nested"));
            }
            if let Some(default) = &row.default {
                let line = format!("{} = {default}", row.key);
                files.push((name, Some(row), put(place.with(&row.key, &line)), "example"));
            }
        }
    }
    let said = by_file(&folder.check(""), "accounts");
    let mut tables = BTreeSet::new();
    for (name, row, file, what) in files {
        let said = said.get(&file).cloned().unwrap_or_default();
        match (what, row) {
            ("keys", _) => assert_eq!(keys(&page[*name]), expected_beside(&said), "{name}"),
            ("example", Some(row)) => assert_eq!(said, [""; 0], "{name}: {}", row.example),
            ("wrong", Some(row)) => is_told(&said, row, name),
            (_, Some(row)) if !expected_beside(&said).is_empty() => {
                tables.insert((*name, row.key.clone()));
            }
            _ => {}
        }
    }
    let nested = NESTED.iter().filter(|(table, ..)| ACCOUNT.iter().any(|(name, _)| name == table));
    assert_eq!(tables, nested.map(|(table, key, _)| (*table, (*key).to_owned())).collect());
}
