//! Lanes for work at paths: a place that hangs costs one thread and one time limit.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Lane;
use super::announce::do_announcing;
use super::paths::{Obstacle, PathAccess, PathsInUse};
use super::stuck::Stuck;

/// The most work on files that is under way at one time, besides work that hangs.
const MOST_WORKING: usize = 8;

/// Work at a path, which tells its answer itself.
type Work = Box<dyn FnOnce(&PathAccess<'static>) + Send>;

/// A lane whose work is at paths, each of which one piece of work has to itself.
#[derive(Debug)]
pub struct PathLane {
    lane: Lane,
    paths: PathsInUse,
    working: Semaphore,
}

impl PathLane {
    /// Makes a lane of at most `threads` threads, which are started when they are needed; each piece of work has
    /// `limit` from when it is asked for.
    ///
    /// # Panics
    /// With no more threads than healthy work takes: nothing could hang without keeping all of it. For a static, that
    /// is an error of the compiler's.
    #[must_use]
    pub const fn new(name: &'static str, threads: usize, limit: Duration) -> Self {
        assert!(threads > MOST_WORKING, "no thread is left for what hangs");
        let working = Semaphore::const_new(MOST_WORKING);
        Self { lane: Lane::new(name, threads, limit), paths: PathsInUse::new(limit), working }
    }

    /// The lane whose threads do the work.
    #[must_use]
    pub const fn lane(&self) -> &Lane {
        &self.lane
    }

    /// Does `work` on the file or folder `path` on a thread of the lane, within the lane's limit, alone of all work
    /// there. Where it goes further than `path` it says so, by [`PathAccess::enter`].
    ///
    /// # Errors
    /// [`Stuck`]: what has begun goes on unheard; what has not never begins. So it is where this is dropped.
    /// [`Stuck::Hangs`] at once where earlier work hangs.
    pub async fn at<T: Send + 'static>(
        &'static self,
        path: PathBuf,
        work: impl FnOnce(&PathAccess<'static>) -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let (tell, mut answer) = oneshot::channel();
        self.at_path(path, Box::new(move |access| drop(tell.send(work(access))))).await?;
        answer.try_recv().map_err(|_| Stuck::NoThread(self.lane.name))
    }

    /// Does `work` as [`PathLane::at`] does; in a box, so that the way to a thread is in the program once.
    async fn at_path(&'static self, path: PathBuf, work: Work) -> Result<(), Stuck> {
        let deadline = Instant::now() + self.lane.limit;
        let late = |_| Stuck::Late(self.lane.limit);
        let mut work = work;
        loop {
            let place = timeout_at(deadline, self.working.acquire()).await.map_err(late)?;
            if self.paths.slow().saturating_add(MOST_WORKING) >= self.lane.threads {
                return Err(Stuck::NoThread(self.lane.name));
            }
            let file = path.clone();
            let mut asked = self.lane.ask(move |wanted| {
                let access = self.paths.begin();
                match access.reach(&file) {
                    // The way there may have taken long.
                    Ok(()) if wanted.strong_count() == 0 => None,
                    Ok(()) => {
                        work(&access);
                        Some(Ok(()))
                    }
                    Err(obstacle) => Some(Err((obstacle, work))),
                }
            })?;
            let soon = deadline.min(Instant::now() + self.paths.patience());
            let done = timeout_at(soon, &mut asked).await;
            // Others need not wait for what does not answer.
            drop(place);
            let done = match done {
                Ok(done) => done,
                Err(_) => timeout_at(deadline, &mut asked).await.map_err(late)?,
            };
            match done.ok().flatten().ok_or(Stuck::NoThread(self.lane.name))? {
                Ok(()) => return Ok(()),
                Err((Obstacle::Hangs(stuck), _)) => return Err(stuck),
                Err((Obstacle::Busy(until, mut ended), again)) => {
                    work = again;
                    let until = deadline.min(until.into());
                    // That there is nobody left to tell is what is waited for.
                    if timeout_at(until, ended.changed()).await.is_err() && until == deadline {
                        return Err(Stuck::Late(self.lane.limit));
                    }
                }
            }
        }
    }

    /// Does `work` as [`PathLane::at`] does. Its readers say by [`announce`](super::announce()) where else they go.
    ///
    /// # Errors
    /// As there, and [`Stuck::Hangs`] where earlier work hangs at anything that it goes to.
    pub(crate) async fn reading<T: Send + 'static>(
        &'static self,
        path: PathBuf,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        self.at(path, |access| do_announcing(access, work)).await?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn what_hangs_at_a_path_takes_one_thread_and_one_limit_however_often_it_is_asked() {
        static LANE: PathLane = PathLane::new("path", 64, Duration::from_millis(500));
        let folder = tempfile::tempdir().unwrap();
        let [dead, well] = ["dead", "well"].map(|name| folder.path().join(name));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&dead, &link).unwrap();
        let (release, hanging) = channel::<()>();
        let begun = std::time::Instant::now();
        let first = LANE.at(dead.clone(), move |_| hanging.recv().is_ok());
        let touched = Arc::new(AtomicBool::new(false));
        let second = async {
            // The first is there before.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let touches = Arc::clone(&touched);
            LANE.at(link.clone(), move |_| touches.store(true, Ordering::Relaxed)).await
        };
        let (first, second) = tokio::join!(first, second);
        assert_eq!(first, Err(Stuck::Late(LANE.lane.limit)));
        assert!(matches!(&second, Err(Stuck::Hangs(place, _)) if *place == dead), "{second:?}");
        for _ in 0..200 {
            assert!(matches!(LANE.at(dead.clone(), |_| ()).await, Err(Stuck::Hangs(..))));
            assert_eq!(LANE.at(well.clone(), |_| 7).await, Ok(7), "others are well");
            let through =
                LANE.at(well.clone(), |access| access.enter(std::path::Path::new("/")).is_ok()).await;
            assert_eq!(through, Ok(true));
        }
        let way = dead.clone();
        let within = LANE.at(well.clone(), move |access| access.enter(&way)).await.unwrap();
        assert!(matches!(within, Err(Stuck::Hangs(..))), "nor on the way of other work");
        assert!(begun.elapsed() < LANE.lane.limit * 20, "each would have waited");
        assert!(!touched.load(Ordering::Relaxed));
        drop(release);
        while LANE.at(dead.clone(), |_| 8).await != Ok(8) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn as_many_hang_as_may_and_the_rest_goes_on() {
        static LANE: PathLane = PathLane::new("many", 64, Duration::from_millis(300));
        let (release, hanging) = channel::<()>();
        let hanging = Arc::new(std::sync::Mutex::new(hanging));
        let all = (0..40).map(|number| {
            let hanging = Arc::clone(&hanging);
            let work = move |_: &PathAccess<'_>| hanging.lock().unwrap().recv().is_ok();
            tokio::spawn(LANE.at(format!("/nowhere{number}").into(), work))
        });
        for task in all.collect::<Vec<_>>() {
            assert!(task.await.unwrap().is_err());
        }
        // Those that had no place in time never began; they come one after the other.
        for number in 0..40 {
            let hanging = Arc::clone(&hanging);
            let work = move |_: &PathAccess<'_>| hanging.lock().unwrap().recv().is_ok();
            assert!(LANE.at(format!("/nowhere{number}").into(), work).await.is_err());
        }
        assert_eq!(LANE.at("/".into(), |_| 7).await, Ok(7));
        assert!(LANE.paths.slow() >= 40);
        drop(release);
    }

    #[tokio::test]
    async fn who_waits_for_a_place_tries_again_when_it_is_free_and_not_before() {
        static LANE: PathLane = PathLane::new("waiting", 64, Duration::from_secs(30));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let (release, hanging) = channel::<()>();
        let first = tokio::spawn(LANE.at(file.clone(), move |_| hanging.recv().is_ok()));
        while LANE.paths.begun() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let others: Vec<_> = (0..4).map(|_| tokio::spawn(LANE.at(file.clone(), |_| 7))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(LANE.paths.begun(), 5, "nobody tries again while the first is there");
        drop(release);
        assert_eq!(first.await.unwrap(), Ok(false));
        for other in others {
            assert_eq!(other.await.unwrap(), Ok(7));
        }
        assert!(LANE.paths.begun() <= 5 + 4 + 3 + 2 + 1, "{}", LANE.paths.begun());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_never_begins() {
        static LANE: PathLane = PathLane::new("dropped", 64, Duration::from_secs(30));
        static ONE: Lane = Lane::new("one", 1, Duration::from_secs(30));
        let (release, hanging) = channel::<()>();
        let begun = Arc::new(AtomicBool::new(false));
        let touch = || {
            let begun = Arc::clone(&begun);
            move || begun.store(true, Ordering::Relaxed)
        };
        let hung = tokio::spawn(LANE.at("/nowhere".into(), move |_| hanging.recv().is_ok()));
        let (let_go, one_hanging) = channel::<()>();
        let one = tokio::spawn(ONE.run(move || one_hanging.recv().is_ok()));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (at, run) = (touch(), touch());
        let waiting = async { tokio::join!(LANE.at("/nowhere".into(), move |_| at()), ONE.run(run)) };
        assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
        drop((release, let_go));
        assert_eq!((hung.await.unwrap(), one.await.unwrap()), (Ok(false), Ok(false)));
        assert_eq!(LANE.at("/nowhere".into(), |_| 1).await, Ok(1));
        assert_eq!(ONE.run(|| 2).await, Ok(2));
        assert!(!begun.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_healthy_one_is_served_long_before_the_limit_of_those_that_hang() {
        static LANE: PathLane = PathLane::new("healthy", 64, Duration::from_secs(10));
        let (release, hanging) = channel::<()>();
        let hanging = Arc::new(std::sync::Mutex::new(hanging));
        for number in 0..MOST_WORKING {
            let hanging = Arc::clone(&hanging);
            let work = move |_: &PathAccess<'_>| hanging.lock().unwrap().recv().is_ok();
            tokio::spawn(LANE.at(format!("/nowhere{number}").into(), work));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = std::time::Instant::now();
        assert_eq!(LANE.at("/".into(), |_| 7).await, Ok(7));
        assert!(begun.elapsed() < LANE.lane.limit / 2, "{:?}", begun.elapsed());
        drop(release);
    }
}
