//! Objects that are being unpacked: what is wrong with one whose files are coming just now is no news, unless it stays so.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::base::{OrderedMap, OrderedSet};
use crate::spanned::Problems;

/// How long an object that is being unpacked stays as it was, and nothing is said of what is wrong with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folders of objects that are being unpacked, and since when.
#[derive(Debug, Default)]
pub(super) struct Unpacking(OrderedMap<PathBuf, Instant>);

impl Unpacking {
    /// Takes away the problems of those of these folders that have not been so for long; returns them.
    pub(super) fn take(
        &mut self,
        folders: &OrderedSet<PathBuf>,
        problems: &mut Problems,
        now: Instant,
    ) -> OrderedSet<PathBuf> {
        self.0.retain(|folder, _| folders.contains(folder));
        let mut waited_for = folders.clone();
        waited_for.retain(|folder| {
            let since = self.0.entry(folder.clone()).or_insert(now);
            now.saturating_duration_since(*since) < PATIENCE
        });
        problems.retain(|problem| !waited_for.iter().any(|folder| problem.file.starts_with(folder)));
        waited_for
    }

    /// The time when one of them will have been so for too long: it is to be read again then, if not before.
    pub(super) fn until(&self, now: Instant) -> Option<Instant> {
        self.0.values().map(|since| *since + PATIENCE).filter(|until| *until > now).min()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_of_others_and_of_what_stays_so() {
        let begun = Instant::now();
        let mut unpacking = Unpacking::default();
        let mut all = Problems::default();
        ["/mo/new/new.toml", "/mo/new", "/mo/newer/newer.toml"]
            .iter()
            .for_each(|file| all.file(Path::new(file), "x"));
        let folders = |names: &[&str]| names.iter().map(PathBuf::from).collect::<OrderedSet<_>>();
        let mut look = |names: &[&str], seconds| {
            let (now, mut problems) = (begun + Duration::from_secs(seconds), all.clone());
            let waited_for = unpacking.take(&folders(names), &mut problems, now);
            let until = unpacking.until(now).map(|until| until.duration_since(begun).as_secs());
            (waited_for.len(), problems.len(), until)
        };
        assert_eq!(look(&[], 0), (0, 3, None));
        assert_eq!(look(&["/mo/new"], 1), (1, 1, Some(21)));
        assert_eq!(look(&["/mo/new"], 20), (1, 1, Some(21)));
        assert_eq!(look(&["/mo/new"], 21), (0, 3, None), "it stays so");
        assert_eq!(look(&[], 22), (0, 3, None));
        assert_eq!(look(&["/mo/new", "/mo/newer"], 30), (2, 0, Some(50)), "it has begun anew");
    }
}
