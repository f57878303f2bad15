//! The objects that ship with the agent, on files as a gateway has them, on a real message bus, with the programs that
//! they drive.

use std::process::{Command, Output};

use omadm_agent::lab::files;

use crate::support::published::Published;
use crate::support::shipped::{mapping, project};
use crate::support::tools::put_script;
use crate::support::{Bench, Setup};

mod capabilities;
mod cellular;
mod devdetail;
mod diagnostics;
mod foreign;
mod fumo;
mod fumo_download;
mod lan_devices;
mod lawmo;
mod links;
mod many;
mod rauc;
mod scomo;
mod services;
mod sysroots;
mod system;
mod wan;

/// A bench with an object that ships, and these files below its root.
async fn bench(name: &str, configuration: &str, sysroot: &[(&str, &str)]) -> Bench {
    let config = format!("sysroot = \"@folder@/sysroot\"\n{configuration}");
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    for (file, content) in sysroot {
        put(&bench, file, content);
    }
    bench.gateway.put_mo(name, &format!("{name}.toml"), &mapping(name)).unwrap();
    bench
}

/// A bench with an object that ships, whose programs find these ones of the test's in front of those that they call;
/// `@folder@` in them is the bench's folder.
async fn bench_with_programs(name: &str, sysroot: &[(&str, &str)], programs: &[(&str, &str)]) -> Bench {
    with_programs(bench(name, "", sysroot).await, name, programs)
}

fn with_programs(bench: Bench, name: &str, programs: &[(&str, &str)]) -> Bench {
    for (program, text) in programs {
        put_script(&bench, &format!("bin/{program}"), text);
    }
    let own = project("packaging/exec").display().to_string();
    for entry in std::fs::read_dir(&own).unwrap() {
        let program = entry.unwrap().file_name().into_string().unwrap();
        let begin = format!("PATH=@folder@/bin:$PATH exec {own}/{program} \"$@\"\n");
        put_script(&bench, &format!("exec/{program}"), &begin);
    }
    let mapping = mapping(name).replace(&own, "@folder@/exec");
    bench.gateway.put_mo(name, &format!("{name}.toml"), &mapping).unwrap();
    bench
}

/// A file below a bench's root.
fn put(bench: &Bench, file: &str, content: &str) {
    files::put(&bench.gateway.path("sysroot").join(file), content, files::PLAIN).unwrap();
}

/// Runs a program that ships, with these ones of the test's own in front of those that it calls.
fn run(name: &str, arguments: &[&str], programs: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (program, text) in programs {
        files::put(&folder.path().join(program), format!("#!/bin/sh\n{text}\n"), files::PROGRAM).unwrap();
    }
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    Command::new(project("packaging/exec").join(name)).args(arguments).env("PATH", path).output().unwrap()
}

/// The objects that the agent itself has something to do with. Other tests are theirs.
const OWN: [&str; 5] = ["devinfo", "dmacc", "dmacc-approved", "dmdac", "sessioninfo"];

/// The names of the objects that are of the machine.
fn described() -> Vec<String> {
    let all = std::fs::read_dir(project("mo")).unwrap().map(|entry| entry.unwrap().file_name());
    let all = all.map(|name| name.into_string().unwrap());
    let all = all.filter(|name| project("mo").join(name).join(format!("{name}.toml")).exists());
    all.filter(|name| !OWN.contains(&name.as_str())).collect()
}

fn ctl(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_omadmctl")).args(arguments).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_ships_has_nothing_wrong_with_it_and_the_ddf_that_is_made_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for name in described() {
        let object = folder.path().join(&name);
        files::put(&object.join(format!("{name}.toml")), mapping(&name), files::PLAIN).unwrap();
        let object = object.display().to_string();
        // The machine that builds is another one: it lacks what an object needs, and has its programs anywhere.
        let told = ctl(&["mo", "check", &object]);
        let is_of_object =
            |line: &&str| !line.starts_with("note: ") && !line.contains(" is hidden from the agent");
        let told: Vec<&str> = told.lines().filter(is_of_object).collect();
        assert_eq!(told, ["the management object is sound"], "{name}");
        let ddf = project("mo").join(&name).join(format!("{name}.ddf.xml"));
        assert!(
            ctl(&["mo", "ddf", &object]) == std::fs::read_to_string(&ddf).unwrap(),
            "omadmctl mo ddf mo/{name} >{}",
            ddf.display()
        );
    }
}

#[test]
fn every_node_that_ships_says_what_it_is() {
    for name in described() {
        let text = mapping(&name);
        let untold: Vec<&str> = text
            .split("\n[node.")
            .skip(1)
            .filter(|node| !node.contains("description = ") && !node.contains("title = "))
            .filter_map(|node| node.lines().next())
            .filter(|node| {
                node.contains("/Operations/") && !node.ends_with(".exec]")
                    || node.contains('<') && node.ends_with(">\"]")
            })
            .collect();
        assert!(untold.is_empty(), "{name}: {untold:?}");
    }
}

#[test]
fn programs_that_ship_are_what_a_small_shell_understands() {
    let programs = glob::glob(&project("packaging/exec/**/*").display().to_string()).unwrap();
    for program in programs.map(Result::unwrap).filter(|program| program.is_file()) {
        let text = std::fs::read_to_string(&program).unwrap();
        assert!(text.starts_with("#!/bin/sh\n"), "{}", program.display());
        assert!(!text.contains("eval "), "{}", program.display());
        for shell in [&["dash", "-n"][..], &["busybox", "ash", "-n"]] {
            let checked = Command::new(shell[0]).args(&shell[1..]).arg(&program).output();
            if let Ok(checked) = checked {
                assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
            }
        }
    }
}
