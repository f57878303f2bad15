//! Lanes: threads for work that may block, apart by kind, so that what hangs outside holds up only its like.
//!
//! The agent's own thread never waits for a file, a name or a device; it hands the work to the lane of its kind and
//! gives it a time limit. Work that does not come back keeps its thread, for no thread can be taken from a system call
//! that hangs; a lane has a bound of them, and shares none with another lane or with the store. A process ends without
//! waiting for any of them.
//!
//! All that touches a path goes [`Lane::at`] it: then one that hangs costs one thread and one time limit, however many
//! nodes are there and however often it is asked. Healthy work has its own threads: what does not answer soon gives up its
//! place among them, and keeps one of the many that there may be.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};

mod first;
mod here;
mod mounts;
mod places;
mod stuck;
mod way;

pub use first::{First, ToDo};
pub(crate) use here::going;
pub(crate) use mounts::takes_requests;
pub use places::Spot;
use places::{Held, Places};
pub use stuck::Stuck;
pub use way::Way;

/// Files, folders and attributes of the machine that is managed.
pub static FILES: Lane = Lane::new("files", 96, Duration::from_secs(10));
/// The C library's name resolution.
pub static NAMES: Lane = Lane::new("names", 16, Duration::from_secs(30));
/// The agent's own configuration: what takes long there is the processor's work as well.
pub static CONFIGURATION: Lane = Lane::new("configuration", 96, Duration::from_secs(30));
/// Reading large documents: what takes long there is the processor's work.
pub static DOCUMENTS: Lane = Lane::new("documents", 2, Duration::from_secs(60));

/// So much work on files is under way at one time, besides what hangs.
const MOST_WORKING: usize = 8;
/// A thread that has no work for this long is given up, and its stack with it.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// Threads of one kind of work: how many at most, and how long any of it may take.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    threads: usize,
    limit: Duration,
    /// Made when first needed, and never dropped: dropping it would wait for what hangs.
    pool: OnceLock<Option<Runtime>>,
    places: Places,
    working: Semaphore,
}

/// Work that was handed over, as long as somebody waits for it: what has not begun by then never does.
struct Asked<T> {
    task: JoinHandle<T>,
    _wanted: Arc<()>,
}

impl<T> Future for Asked<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context)
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lane {
    /// At most `threads` threads, made when they are needed; each piece of work has `limit` from when it is asked for.
    #[must_use]
    pub const fn new(name: &'static str, threads: usize, limit: Duration) -> Self {
        let working = Semaphore::const_new(MOST_WORKING);
        Self { name, threads, limit, pool: OnceLock::new(), places: Places::new(limit), working }
    }

    /// Does `work`, which touches no path, on a thread of the lane, within the lane's limit.
    ///
    /// # Errors
    /// [`Stuck`]: what has begun goes on unheard; what has not never begins. So it is where this is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let mut asked = self.ask(|_| work())?;
        let done = tokio::time::timeout(self.limit, &mut asked).await.map_err(|_| Stuck::Late(self.limit))?;
        done.map_err(|_| Stuck::NoThread(self.name))
    }

    /// Does `work` on the file or folder `path` on a thread of the lane, within the lane's limit, alone of all work
    /// there. Where it goes further than `path` it says so, by [`Spot::enter`].
    ///
    /// # Errors
    /// [`Stuck`]: what has begun goes on unheard; what has not never begins. So it is where this is dropped.
    /// [`Stuck::Hangs`] at once where earlier work hangs.
    pub async fn at<T: Send + 'static>(
        &'static self,
        path: PathBuf,
        work: impl FnOnce(&Spot<'static>) -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        let deadline = Instant::now() + self.limit;
        let late = |_| Stuck::Late(self.limit);
        let mut work = work;
        loop {
            let place = timeout_at(deadline, self.working.acquire()).await.map_err(late)?;
            if self.places.slow().saturating_add(MOST_WORKING) >= self.threads {
                return Err(Stuck::NoThread(self.name));
            }
            let file = path.clone();
            let mut asked = self.ask(move |wanted| {
                let spot = self.places.begin();
                match spot.reach(&file) {
                    // The way there may have taken long.
                    Ok(()) if wanted.strong_count() == 0 => None,
                    Ok(()) => Some(Ok(work(&spot))),
                    Err(held) => Some(Err((held, work))),
                }
            })?;
            let soon = deadline.min(Instant::now() + self.places.patience());
            let done = timeout_at(soon, &mut asked).await;
            // Others need not wait for what does not answer.
            drop(place);
            let done = match done {
                Ok(done) => done,
                Err(_) => timeout_at(deadline, &mut asked).await.map_err(late)?,
            };
            match done.ok().flatten().ok_or(Stuck::NoThread(self.name))? {
                Ok(done) => return Ok(done),
                Err((Held::Hangs(stuck), _)) => return Err(stuck),
                Err((Held::Busy(until, mut ended), again)) => {
                    work = again;
                    let until = deadline.min(until.into());
                    // That there is nobody left to tell is what is waited for.
                    if timeout_at(until, ended.changed()).await.is_err() && until == deadline {
                        return Err(Stuck::Late(self.limit));
                    }
                }
            }
        }
    }

    /// Does `work` as [`Lane::at`] does. Its readers say by [`going`] where else they go.
    ///
    /// # Errors
    /// As there, and [`Stuck::Hangs`] where earlier work hangs at anything that it goes to.
    pub(crate) async fn reading<T: Send + 'static>(
        &'static self,
        path: PathBuf,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stuck> {
        self.at(path, |spot| here::work_at(spot, work)).await?
    }

    /// Hands work over. It is told whether somebody still waits for it.
    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Weak<()>) -> T + Send + 'static,
    ) -> Result<Asked<T>, Stuck> {
        let pool = self.pool.get_or_init(|| self.make()).as_ref().ok_or(Stuck::NoThread(self.name))?;
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        let task = pool.handle().spawn_blocking(move || work(&is_wanted));
        Ok(Asked { task, _wanted: wanted })
    }

    /// Has a thread do nothing, in place of the last one that has ended, where there has been one.
    pub fn turn_over(&self) {
        if let Some(Some(pool)) = self.pool.get() {
            drop(pool.handle().spawn_blocking(|| ()));
        }
    }

    /// How many threads it has at most.
    #[must_use]
    pub const fn threads(&self) -> usize {
        self.threads
    }

    fn make(&self) -> Option<Runtime> {
        let mut builder = Builder::new_current_thread();
        builder.max_blocking_threads(self.threads).thread_keep_alive(IDLE_THREAD).thread_name(self.name);
        builder
            .build()
            .inspect_err(|error| {
                log::error!(
                    "no threads can be started for {}: {error}; what needs them is unavailable",
                    self.name
                );
            })
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn what_hangs_is_given_up_and_the_rest_goes_on() {
        static LANE: Lane = Lane::new("hanging", 2, SHORT);
        let (release, hanging) = channel::<()>();
        assert_eq!(LANE.run(move || hanging.recv().is_ok()).await, Err(Stuck::Late(SHORT)));
        assert_eq!(LANE.run(|| 7).await, Ok(7), "another thread has it");
        drop(release);
    }

    #[tokio::test]
    async fn where_every_thread_hangs_nothing_more_begins_but_other_lanes_work() {
        static LANE: Lane = Lane::new("full", 1, SHORT);
        static OTHER: Lane = Lane::new("other", 1, SHORT);
        let (release, hanging) = channel::<()>();
        assert_eq!(LANE.run(move || hanging.recv().is_ok()).await, Err(Stuck::Late(SHORT)));
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let late = LANE.run(move || begins.store(true, Ordering::Relaxed)).await;
        assert_eq!(late, Err(Stuck::Late(SHORT)));
        assert_eq!(OTHER.run(|| 1).await, Ok(1));
        drop(release);
        assert_eq!(LANE.run(|| 2).await, Ok(2), "the thread is back");
        assert!(!begun.load(Ordering::Relaxed), "what was given up before it began never begins");
    }

    #[tokio::test]
    async fn what_hangs_at_a_path_takes_one_thread_and_one_limit_however_often_it_is_asked() {
        static LANE: Lane = Lane::new("path", 64, Duration::from_millis(500));
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
        assert_eq!(first, Err(Stuck::Late(LANE.limit)));
        assert!(matches!(&second, Err(Stuck::Hangs(place, _)) if *place == dead), "{second:?}");
        for _ in 0..200 {
            assert!(matches!(LANE.at(dead.clone(), |_| ()).await, Err(Stuck::Hangs(..))));
            assert_eq!(LANE.at(well.clone(), |_| 7).await, Ok(7), "others are well");
            let through = LANE.at(well.clone(), |spot| spot.enter(std::path::Path::new("/")).is_ok()).await;
            assert_eq!(through, Ok(true));
        }
        let way = dead.clone();
        let within = LANE.at(well.clone(), move |spot| spot.enter(&way)).await.unwrap();
        assert!(matches!(within, Err(Stuck::Hangs(..))), "nor on the way of other work");
        assert!(begun.elapsed() < LANE.limit * 20, "each would have waited");
        assert!(!touched.load(Ordering::Relaxed));
        drop(release);
        while LANE.at(dead.clone(), |_| 8).await != Ok(8) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn as_many_hang_as_may_and_the_rest_goes_on() {
        static LANE: Lane = Lane::new("many", 64, Duration::from_millis(300));
        let (release, hanging) = channel::<()>();
        let hanging = Arc::new(std::sync::Mutex::new(hanging));
        let all = (0..40).map(|number| {
            let hanging = Arc::clone(&hanging);
            let work = move |_: &Spot<'_>| hanging.lock().unwrap().recv().is_ok();
            tokio::spawn(LANE.at(format!("/nowhere{number}").into(), work))
        });
        for task in all.collect::<Vec<_>>() {
            assert!(task.await.unwrap().is_err());
        }
        // Those that had no place in time never began; they come one after the other.
        for number in 0..40 {
            let hanging = Arc::clone(&hanging);
            let work = move |_: &Spot<'_>| hanging.lock().unwrap().recv().is_ok();
            assert!(LANE.at(format!("/nowhere{number}").into(), work).await.is_err());
        }
        assert_eq!(LANE.at("/".into(), |_| 7).await, Ok(7));
        assert!(LANE.places.slow() >= 40);
        drop(release);
    }

    #[tokio::test]
    async fn who_waits_for_a_place_tries_again_when_it_is_free_and_not_before() {
        static LANE: Lane = Lane::new("waiting", 64, Duration::from_secs(30));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let (release, hanging) = channel::<()>();
        let first = tokio::spawn(LANE.at(file.clone(), move |_| hanging.recv().is_ok()));
        while LANE.places.begun() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let others: Vec<_> = (0..4).map(|_| tokio::spawn(LANE.at(file.clone(), |_| 7))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(LANE.places.begun(), 5, "nobody tries again while the first is there");
        drop(release);
        assert_eq!(first.await.unwrap(), Ok(false));
        for other in others {
            assert_eq!(other.await.unwrap(), Ok(7));
        }
        assert!(LANE.places.begun() <= 5 + 4 + 3 + 2 + 1, "{}", LANE.places.begun());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_never_begins() {
        static LANE: Lane = Lane::new("dropped", 64, Duration::from_secs(30));
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
        static LANE: Lane = Lane::new("healthy", 64, Duration::from_secs(10));
        let (release, hanging) = channel::<()>();
        let hanging = Arc::new(std::sync::Mutex::new(hanging));
        for number in 0..MOST_WORKING {
            let hanging = Arc::clone(&hanging);
            let work = move |_: &Spot<'_>| hanging.lock().unwrap().recv().is_ok();
            tokio::spawn(LANE.at(format!("/nowhere{number}").into(), work));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = std::time::Instant::now();
        assert_eq!(LANE.at("/".into(), |_| 7).await, Ok(7));
        assert!(begun.elapsed() < LANE.limit / 2, "{:?}", begun.elapsed());
        drop(release);
    }
}
