//! Dependencies of a value: what tells that a source may have another one now.

use std::path::{Path, PathBuf};

use super::bus::BusSign;
use super::context::Context;
use super::file;
use super::machine_id;
use crate::base::OrderedSet;
use crate::bearer::KernelTopic;
use crate::mo::mapping::{BusObject, List, ListFrom, RecordsPlace, Source, SourceKind, WatchEntry};

/// The files and folders that values come from, and whether some come from where nothing tells of a change. The store
/// tells of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    /// The files themselves; they need not be there.
    pub files: OrderedSet<PathBuf>,
    /// The folders whose files values come from; they need not be there.
    pub folders: OrderedSet<PathBuf>,
    /// The folders with all files in them and in the folders in them; they need not be there.
    pub trees: OrderedSet<PathBuf>,
    /// Services that tell of changes by signals, to whoever waits for those.
    pub signals: OrderedSet<BusSign>,
    /// The topics of which the kernel tells by netlink.
    pub kernel: OrderedSet<KernelTopic>,
    /// Whether some come from programs and the like, which have to be asked again.
    pub others: bool,
    /// Whether some come from programs whose mappings say what tells of a change.
    pub programs: bool,
    /// Whether some are in lists of which something tells.
    pub lists: bool,
}

impl Dependencies {
    /// Adds a value's source.
    pub fn add(&mut self, source: &Source, context: &Context<'_>) {
        match &source.from {
            SourceKind::Value(_) | SourceKind::Store => {}
            // The listing is looked at by itself.
            SourceKind::Item(_) if source.watch.is_empty() => {}
            SourceKind::File { path, .. } => match path.fill_path(&context.variables(None)) {
                Ok(path) => self.file(&path, context),
                Err(_) => self.others = true,
            },
            SourceKind::OsRelease(_) => {
                for path in ["/etc/os-release", "/usr/lib/os-release"] {
                    self.file(path, context);
                }
            }
            SourceKind::MachineId(_) => {
                for path in machine_id::PATHS {
                    self.file(path, context);
                }
            }
            // A session's own values are nothing to those outside of it.
            SourceKind::Builtin(name) if name.starts_with("session-") || name == "agent-version" => {}
            SourceKind::Property { object, property } => self.signal(object, Some(property), false, context),
            SourceKind::Run(_) | SourceKind::Item(_) => self.program(&source.watch, context),
            SourceKind::Method { .. } | SourceKind::Builtin(_) => self.others = true,
        }
    }

    /// Adds the places where the children of an un-named node come from.
    pub fn add_list(&mut self, list: &List, context: &Context<'_>) {
        let pattern = match &list.from {
            ListFrom::Glob(pattern) => pattern,
            ListFrom::Records { place: RecordsPlace::File(path), .. } => {
                self.lists = true;
                match path.fill_path(&context.variables(None)) {
                    Ok(path) => self.file(&path, context),
                    Err(_) => self.others = true,
                }
                return;
            }
            ListFrom::Object(object) => {
                self.lists = true;
                return self.signal(object, None, false, context);
            }
            ListFrom::Records { .. } => {
                self.lists = true;
                return self.program(&list.watch, context);
            }
        };
        let is_plain = |component: &&str| !component.contains(['*', '?', '[', '{']);
        let components: Vec<&str> = pattern.split('/').collect();
        let plain = components.iter().take_while(|component| is_plain(component)).count();
        self.lists = true;
        // Of what is no file really, the kernel tells otherwise.
        if pattern.starts_with("/sys/") && context.machine.sysroot == Path::new("/") {
            self.kernel.insert(KernelTopic::Devices);
            return;
        }
        // What lies deeper than the first pattern may come and go unseen.
        self.others |= components.len() > plain + 1;
        let folder = components.get(..plain).unwrap_or_default().join("/");
        self.folders.extend(below(&folder, context));
    }

    /// Adds a program: what its mapping says tells of a change.
    fn program(&mut self, watch: &[WatchEntry], context: &Context<'_>) {
        self.others |= watch.is_empty();
        self.programs |= !watch.is_empty();
        for entry in watch {
            match entry {
                WatchEntry::File(path) => self.file(path, context),
                WatchEntry::Folder(path) => self.folders.extend(below(path, context)),
                WatchEntry::Neighbours => drop(self.kernel.insert(KernelTopic::Neighbours)),
                WatchEntry::Devices if context.machine.sysroot == Path::new("/") => {
                    self.kernel.insert(KernelTopic::Devices);
                }
                // Of another machine's, nobody tells.
                WatchEntry::Devices => self.others = true,
                WatchEntry::Object(object) => self.signal(object, None, true, context),
            }
        }
    }

    /// Adds a property of a D-Bus object; none: its objects, and all of their properties.
    fn signal(&mut self, object: &str, property: Option<&String>, is_vouched: bool, context: &Context<'_>) {
        let Some((_, known)) = context.objects.iter().find(|(name, _)| name == object) else { return };
        let BusObject { name, path, interface, .. } = known.clone();
        let property = property.cloned();
        self.signals.insert(BusSign { service: name, path, interface, property, is_vouched });
    }

    fn file(&mut self, path: &str, context: &Context<'_>) {
        self.files.extend(below(path, context));
    }
}

fn below(path: &str, context: &Context<'_>) -> Option<PathBuf> {
    file::named(context.machine, if path.is_empty() { "/" } else { path }).ok()
}

/// Whether the kernel tells, by inotify(7), of changes of what is in this folder.
#[must_use]
pub fn has_change_events(folder: &Path) -> bool {
    !crate::base::lane::takes_requests(folder) && !file::is_elsewhere(folder)
}
