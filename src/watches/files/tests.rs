use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use super::*;

impl FileWatches<&'static str> {
    fn look(&self, id: &'static str, dependencies: &Dependencies) -> bool {
        self.set(&id, dependencies, &|_| true)
    }
}

fn files(files: &[PathBuf]) -> Dependencies {
    Dependencies { files: files.iter().cloned().collect(), ..Dependencies::default() }
}

/// The ids that the next event concerns; none where there is no event.
async fn told(watches: &FileWatches<&'static str>) -> Vec<&'static str> {
    let mut all = OrderedSet::new();
    while let Ok(ids) = tokio::time::timeout(Duration::from_millis(100), watches.changed()).await {
        all.extend(ids);
    }
    all.into_iter().collect()
}

#[tokio::test]
async fn writing_replacing_and_removing_are_told_and_reading_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let [file, other] = ["file", "other"].map(|name| folder.path().join(name));
    fs::write(&file, "x").unwrap();
    let watches = FileWatches::<&str>::new().unwrap();
    assert!(watches.look("a", &files(std::slice::from_ref(&file))));
    fs::read(&file).unwrap();
    fs::write(&other, "x").unwrap();
    assert_eq!(told(&watches).await, [""; 0], "nobody asked for that one");
    fs::write(&file, "y").unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    fs::rename(&other, &file).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    fs::write(&file, "z").unwrap();
    assert_eq!(told(&watches).await, ["a"], "what was renamed over it is watched as well");
    fs::remove_file(&file).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    watches.keep(|_| false);
    fs::write(&file, "z").unwrap();
    assert_eq!(told(&watches).await, [""; 0]);
}

#[tokio::test]
async fn a_file_in_a_folder_that_is_not_there_yet_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a/b/file");
    let watches = FileWatches::<&str>::new().unwrap();
    let look = || watches.look("a", &files(std::slice::from_ref(&file)));
    assert!(look());
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    assert!(look());
    fs::write(&file, "x").unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    fs::rename(folder.path().join("a/b"), folder.path().join("c")).unwrap();
    assert_eq!(told(&watches).await, ["a"], "a folder that moves away takes the file along");
}

#[tokio::test]
async fn whatever_folder_on_the_way_goes_takes_the_file_along_and_what_else_is_in_it_wakes_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let [top, file] = ["a", "a/b/c/file"].map(|name| folder.path().join(name));
    let watches = FileWatches::<&str>::new().unwrap();
    let look = || watches.look("a", &files(std::slice::from_ref(&file)));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "x").unwrap();
    assert!(look());
    for other in ["a/other", "a/b/other"] {
        fs::write(folder.path().join(other), "x").unwrap();
    }
    let quiet = tokio::time::timeout(Duration::from_millis(100), watches.readiness.readable()).await;
    assert!(quiet.is_err(), "the kernel has something to tell");
    fs::rename(&top, folder.path().join("elsewhere")).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    assert!(look());
    fs::rename(folder.path().join("elsewhere"), &top).unwrap();
    assert_eq!(told(&watches).await, ["a"], "and brings it back");
    assert!(look());
    fs::remove_dir_all(&top).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
}

#[tokio::test]
async fn a_folder_that_has_what_was_missing_in_it_wakes_nobody_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a/file");
    let watches = FileWatches::<&str>::new().unwrap();
    let look = || watches.look("a", &files(std::slice::from_ref(&file)));
    assert!(look());
    fs::create_dir(folder.path().join("a")).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    assert!(look());
    assert_eq!(told(&watches).await, [""; 0]);
    fs::write(folder.path().join("other"), "x").unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(100), watches.readiness.readable()).await;
    assert!(quiet.is_err(), "the kernel has something to tell");
    fs::write(&file, "x").unwrap();
    assert_eq!(told(&watches).await, ["a"]);
}

#[tokio::test]
async fn what_comes_while_it_is_looked_for_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    let watches = FileWatches::<&str>::new().unwrap();
    // It takes a while to watch them all; the one that comes meanwhile is the last.
    let others: Vec<PathBuf> = (0..200).map(|number| folder.path().join(format!("{number:03}"))).collect();
    others.iter().for_each(|other| fs::create_dir(other).unwrap());
    for round in 0..80 {
        let within = folder.path().join(format!("last{round}/within"));
        fs::create_dir(within.parent().unwrap()).unwrap();
        let all: Vec<PathBuf> = others.iter().chain([&within]).map(|folder| folder.join("file")).collect();
        let both = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                std::thread::sleep(Duration::from_micros(50 * round));
                fs::create_dir(&within).unwrap();
            });
            both.wait();
            watches.look("a", &files(&all));
        });
        fs::write(within.join("file"), "x").unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), watches.changed()).await;
        assert!(told.is_ok(), "round {round}");
    }
}

#[tokio::test]
async fn who_wants_less_of_a_folder_takes_nothing_from_who_wants_more() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    let watches = FileWatches::<&str>::new().unwrap();
    for (name, file) in [("near", "near"), ("far", "below/far")] {
        assert!(watches.look(name, &files(&[folder.path().join(file)])));
    }
    fs::write(folder.path().join("near"), "x").unwrap();
    assert_eq!(told(&watches).await, ["near"]);
    fs::rename(folder.path(), folder.path().with_extension("gone")).unwrap();
    assert_eq!(told(&watches).await, ["far", "near"]);
    fs::rename(folder.path().with_extension("gone"), folder.path()).unwrap();
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_a_change_and_so_is_what_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["1", "2"] {
        fs::create_dir(folder.path().join(version)).unwrap();
        fs::write(folder.path().join(version).join("file"), version).unwrap();
    }
    // As atomic updates of whole folders are made.
    symlink("1", folder.path().join("current")).unwrap();
    symlink("current/file", folder.path().join("file")).unwrap();
    let watches = FileWatches::<&str>::new().unwrap();
    let look = || watches.look("a", &files(&[folder.path().join("file")]));
    assert!(look());
    fs::write(folder.path().join("1/file"), "new").unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    symlink("2", folder.path().join("next")).unwrap();
    fs::rename(folder.path().join("next"), folder.path().join("current")).unwrap();
    assert_eq!(told(&watches).await, ["a"]);
    assert!(look());
    fs::write(folder.path().join("1/file"), "old").unwrap();
    assert_eq!(told(&watches).await, [""; 0], "it leads there no more");
}

#[tokio::test]
async fn of_a_folder_every_name_counts_and_two_may_watch_one() {
    let folder = tempfile::tempdir().unwrap();
    let watches = FileWatches::<&str>::new().unwrap();
    let whole = Dependencies { folders: [folder.path().to_owned()].into(), ..Dependencies::default() };
    assert!(watches.look("folder", &whole));
    assert!(watches.look("file", &files(&[folder.path().join("file")])));
    fs::write(folder.path().join("other"), "x").unwrap();
    assert_eq!(told(&watches).await, ["folder"]);
    fs::write(folder.path().join("file"), "x").unwrap();
    assert_eq!(told(&watches).await, ["file", "folder"]);
    watches.keep(|id| *id == "file");
    fs::write(folder.path().join("file"), "y").unwrap();
    assert_eq!(told(&watches).await, ["file"], "one goes on when the other ends");
}

#[tokio::test]
async fn a_mount_concerns_whoever_goes_through_its_place_and_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::create_dir_all(root.join("a/b")).unwrap();
    fs::create_dir_all(root.join("else")).unwrap();
    symlink("../else", root.join("a/link")).unwrap();
    let watches = FileWatches::<&str>::new().unwrap();
    for (id, file) in [("deep", "a/b/file"), ("near", "a/file"), ("linked", "a/link/file"), ("other", "x")] {
        assert!(watches.look(id, &files(&[root.join(file)])));
    }
    let below = |place: &str| {
        let concerned = watches.below(&[root.join(place)].into());
        concerned.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(below("a"), ["deep", "linked", "near"]);
    assert_eq!(below("a/b"), ["deep"]);
    assert_eq!(below("a/file"), ["near"], "a file may be mounted over");
    assert_eq!(below("else"), ["linked"]);
    assert_eq!(below("elsewhere"), [""; 0]);
    assert_eq!(watches.below(&["/".into()].into()).len(), 4);
}

#[tokio::test]
async fn the_kernels_own_files_are_not_told_of() {
    let watches = FileWatches::<&str>::new().unwrap();
    for file in ["/proc/uptime", "/sys/class/net/eth77/mtu"] {
        assert!(!watches.look("a", &files(&[file.into()])), "{file}");
    }
}
