//! Keeps the map in `src/lib.rs` true: a room uses only rooms that stand before it there, and what is called pure takes
//! no socket, clock, file, randomness or runtime.

mod circles;

use std::path::{Path, PathBuf};

/// What a pure file says nothing of, imports and calls alike.
const IMPURE: [&str; 21] = [
    "async fn",
    "tokio::",
    "nix::",
    "getrandom",
    "rand::",
    "std::fs",
    "File::",
    "std::net::{",
    "Socket",
    "TcpStream",
    "Instant::now",
    "SystemTime::now",
    "std::env::",
    "std::process",
    "std::thread",
    "base::crash_guard",
    "base::files",
    "base::heartbeat",
    "base::lane",
    "base::waking",
    "base::yielding",
];

/// Tests that show a room by one above it: the file, and the room.
const TESTS_LOOK_UP: [(&str, &str); 1] = [("tree/tests/mod.rs", "command")];

/// A row of the map.
struct Room {
    name: String,
    pure: Pure,
}

/// What of a room is pure; files without their ending.
enum Pure {
    But(Vec<String>),
    Only(Vec<String>),
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The names in backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|name| name.trim_matches(['[', ']']).to_owned()).collect()
}

fn map() -> Vec<Room> {
    let text = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | ")).filter(|row| row.contains('`'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        let [name, _, pure] = cells[..] else { panic!("{row}: not three cells") };
        let files = quoted(pure);
        let pure = match pure {
            "yes" => Pure::But(Vec::new()),
            "no" => Pure::Only(Vec::new()),
            _ if pure.starts_with("all but `") => Pure::But(files),
            _ if pure.starts_with('`') => Pure::Only(files),
            _ => panic!("{row}: what is pure?"),
        };
        Room { name: quoted(name).concat(), pure }
    })
    .collect()
}

/// Every file of the rooms by its path below `src`, and its lines of code.
fn files() -> Vec<(String, Vec<String>)> {
    let (mut folders, mut files) = (vec![source()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
            match name.as_str() {
                "lib.rs" | "bin" => {}
                _ if path.is_dir() => folders.push(path),
                _ => {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.lines().map(|line| line.split("//").next().unwrap().to_owned());
                    files.push((name, code.collect()));
                }
            }
        }
    }
    files
}

fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// A file's code but for the tests in it, which are a module at its end. One that only says where its tests are goes
/// on.
fn without_tests(code: &[String]) -> &[String] {
    let are_tests = |pair: &[String]| matches!(pair, [first, second] if first == "#[cfg(test)]" && second.trim_end() == "mod tests {");
    let end = code.windows(2).position(are_tests).unwrap_or(code.len());
    &code[..end]
}

/// The rooms that a line names: what follows `crate::`.
fn uses(line: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.split("crate::").skip(1).map(|rest| rest.split(|c| !is_name(c)).next().unwrap_or_default()).collect()
}

#[test]
fn a_room_uses_only_rooms_that_stand_before_it() {
    let rooms = map();
    let place = |name: &str| rooms.iter().position(|room| room.name == name);
    let mut wrong = Vec::new();
    for (file, code) in files() {
        let own = place(room_of(&file)).unwrap_or_else(|| panic!("{file}: its room is not on the map"));
        let depth = file.trim_end_matches("/mod.rs").split('/').count();
        let mut within = 0;
        for (number, line) in code.iter().enumerate() {
            // Modules in a file stand at its end.
            within += usize::from(line.trim_start().starts_with("mod ") && line.ends_with('{'));
            if line.contains(&"super::".repeat(depth + within)) {
                wrong.push(format!("{file}:{}: leaves its room by `super`", number + 1));
            }
            for used in uses(line) {
                let looks_up = TESTS_LOOK_UP.contains(&(file.as_str(), used));
                match place(used) {
                    Some(other) if other <= own || looks_up => {}
                    Some(_) => wrong.push(format!("{file}:{}: uses {used}, which stands above", number + 1)),
                    None => wrong.push(format!("{file}:{}: names no room of the map: {used:?}", number + 1)),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_called_pure_is() {
    let (rooms, files) = (map(), files());
    let mut wrong = Vec::new();
    for Room { name, pure } in &rooms {
        let (Pure::But(named) | Pure::Only(named)) = pure;
        let own =
            |file: &str| file.trim_end_matches(".rs").strip_prefix(&format!("{name}/")).map(str::to_owned);
        for file in named {
            assert!(
                files.iter().any(|(found, _)| own(found).as_ref() == Some(file)),
                "{name} has no file {file}"
            );
        }
        for (file, code) in files.iter().filter(|(file, _)| room_of(file) == name && !file.contains("tests"))
        {
            // `queue` is `queue.rs` and `queue/`.
            let is_named = own(file).is_some_and(|own| {
                named.iter().any(|name| own == *name || own.starts_with(&format!("{name}/")))
            });
            if is_named == matches!(pure, Pure::But(_)) {
                continue;
            }
            for (number, line) in without_tests(code).iter().enumerate() {
                let impure = IMPURE.iter().filter(|word| line.contains(**word));
                wrong.extend(impure.map(|word| format!("{file}:{}: has {word}", number + 1)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Some routers' processors change no 64 bits at once.
#[test]
fn what_threads_share_is_there_on_32_bits() {
    let is_std = |line: &String| {
        line.contains("sync::atomic::") && (line.contains("AtomicU64") || line.contains("AtomicI64"))
    };
    let wrong: Vec<_> = files()
        .into_iter()
        .filter(|(file, code)| file != "base/atomic.rs" && without_tests(code).iter().any(is_std))
        .map(|(file, _)| file)
        .collect();
    assert!(wrong.is_empty(), "base::AtomicU64 is for: {wrong:?}");
}

#[test]
fn a_file_is_looked_at_to_the_tests_at_its_end() {
    const ITEMS: [&str; 9] = ["#[", "async ", "const ", "enum ", "fn ", "impl", "pub", "static ", "struct "];
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let elsewhere = lines("#[cfg(test)]\nmod tests;\n\nfn now() {\n    Instant::now()\n}\n");
    assert_eq!(without_tests(&elsewhere), elsewhere);
    let within = lines("fn none() {}\n#[cfg(test)]\nfn one() {}\n#[cfg(test)]\nmod tests {\n}\n");
    assert_eq!(without_tests(&within), &within[..3]);
    let ends = |(_, code): &(String, Vec<String>)| {
        let rest = &code[without_tests(code).len()..];
        let is_item = |line: &String| ITEMS.iter().any(|item| line.starts_with(item));
        !rest.iter().skip(2).any(is_item)
    };
    let on: Vec<_> = files().into_iter().filter(|file| !ends(file)).map(|(name, _)| name).collect();
    assert!(on.is_empty(), "code stands after the tests: {on:?}");
}

/// What runs as root, and what it stands on.
#[test]
fn the_privileged_helper_reaches_neither_network_nor_tls_nor_store() {
    // Of `bearer` which interfaces there are, of `package` what values look like.
    const WITHIN: [&str; 11] = [
        "backend",
        "base",
        "bearer",
        "ddf",
        "helper",
        "helper_protocol",
        "mo",
        "package",
        "spanned",
        "uri",
        "xml",
    ];
    let files = files();
    let mut reached = vec!["helper".to_owned()];
    let mut next = 0;
    while let Some(room) = reached.get(next).cloned() {
        next += 1;
        for (_, code) in files.iter().filter(|(file, _)| room_of(file) == room && !file.contains("tests")) {
            for used in without_tests(code).iter().flat_map(|line| uses(line)) {
                if !reached.iter().any(|known| known == used) {
                    reached.push(used.to_owned());
                }
            }
        }
    }
    reached.sort_unstable();
    assert_eq!(reached, WITHIN);
}
