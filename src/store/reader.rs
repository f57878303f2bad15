//! Reading a database that may be damaged, so that a panic of redb ends no more than the reading.
//!
//! A release ends with its first panic. So what reads is another process: the same program, called with
//! [`ARGUMENT`], the file as its standard input. It answers on its standard output, in parts that are each whole.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend};

use super::builder::builder;
use super::image::{Image, View};
use super::tables;

/// The argument with which the program is called to read for another one.
const ARGUMENT: &str = "--read-store";
/// The time limit of all checks of one opening together: a damaged tree may lead in circles. What is not found to be
/// sound by then is not.
const CHECKING: Duration = Duration::from_secs(40);
/// The time limit of all reading of one opening, salvage included: less than systemd waits for a start.
const READING: Duration = Duration::from_secs(60);

/// The tags with which the parts of an answer begin.
const TABLE: u8 = b'T';
const RECORD: u8 = b'R';
const SOUND: u8 = b'S';
const END: u8 = b'E';

/// The reader of a damaged database, for one opening.
#[derive(Debug)]
pub(super) struct Reader {
    who: Who,
    begun: Instant,
    checking: Duration,
    reading: Duration,
}

/// The reader itself: a thread or a program.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// A thread, which is enough where a panic unwinds, as in tests.
    Thread,
    /// A program that passes [`asked`] what it is called with to [`answer`].
    Program(PathBuf),
}

static THIS_PROGRAM: AtomicBool = AtomicBool::new(false);

/// Says that this program may be called again to read for itself: it passes [`asked`] what it is called with to
/// [`answer`]. A program that does not say so reads in a thread.
pub(crate) fn this_program_answers() {
    THIS_PROGRAM.store(true, Ordering::Relaxed);
}

/// The result of a check of an image all of whose checksums are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sound {
    /// The number of the image's last transaction.
    pub(super) transaction: u64,
    /// Whether the commit before the last one had to do: what had begun did not come to its end.
    pub(super) fell_back: bool,
    /// Whether it needed a repair though it says that it was closed: so does one whose opener died between the repair
    /// and its first write, and one whose flags are damaged.
    pub(super) doubtful: bool,
}

/// A task for the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    Check(View),
    /// Reads all records from this table on; of that one, from its end backwards only.
    Dump(View, usize, bool),
}

/// The job for [`answer`], if the program is called for that.
#[must_use]
pub(crate) fn asked(arguments: impl Iterator<Item = OsString>) -> Option<Job> {
    let mut arguments = arguments.skip(1).map(|argument| argument.into_string().unwrap_or_default());
    if arguments.next()? != ARGUMENT {
        return None;
    }
    let seconds = arguments.next()?.parse().ok()?;
    let (view, from) = (arguments.next()?.parse().ok()?, arguments.next());
    let backwards = arguments.next().is_some();
    let task = match from {
        None => Task::Check(view),
        Some(from) => Task::Dump(view, from.parse().ok()?, backwards),
    };
    Some(Job { task, seconds })
}

/// A job for this program: to read standard input, in so many seconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    task: Task,
    seconds: u32,
}

/// Does a job: reads standard input, answers on standard output.
#[must_use]
pub(crate) fn answer(job: &Job) -> ExitCode {
    let _ = nix::unistd::alarm::set(job.seconds);
    // Nobody hears the answer then.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let files = || {
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok::<_, io::Error>((input, File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    };
    match files().and_then(|(input, mut output)| perform(&job.task, input, &mut output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

impl Reader {
    /// Makes the reader of this program, whose time begins now.
    pub(super) fn here() -> Self {
        let who = match THIS_PROGRAM.load(Ordering::Relaxed) {
            true => Who::Program(PathBuf::from("/proc/self/exe")),
            false => Who::Thread,
        };
        Self { who, begun: Instant::now(), checking: CHECKING, reading: READING }
    }

    /// Checks whether all checksums of an image are right, as far as can be told in time.
    ///
    /// # Errors
    /// Nobody could be asked: that says nothing of the image.
    pub(super) fn check(&self, file: &File, view: &View) -> io::Result<Option<Sound>> {
        let mut sound = None;
        self.ask(file, &Task::Check(view.clone()), &mut |part| {
            if let Part::Sound(found) = part {
                sound = Some(found);
            }
        })?;
        Ok(sound)
    }

    /// Shows all records of an image that can be read in time, table by table, be it more than once. What is damaged
    /// within a table is come upon from both sides.
    ///
    /// # Errors
    /// Nobody could be asked.
    pub(super) fn dump(
        &self,
        file: &File,
        view: &View,
        mut each: impl FnMut(usize, &[u8], &[u8]),
    ) -> io::Result<()> {
        let (mut from, mut backwards) = (0, false);
        loop {
            let (mut at, mut ended) = (None, false);
            self.ask(file, &Task::Dump(view.clone(), from, backwards), &mut |part| match part {
                Part::Table(table) => at = Some(table),
                Part::Record(table, key, value) => each(table, key, value),
                Part::Sound(_) => {}
                Part::End => ended = true,
            })?;
            // Where not even opening went well, it won't another time.
            let Some(at) = at.filter(|_| !ended) else { return Ok(()) };
            (from, backwards) = if backwards && at == from { (at + 1, false) } else { (at, true) };
        }
    }

    /// Asks for a task, and passes on what is answered, however that ends; nothing where there is no time left.
    fn ask(&self, file: &File, task: &Task, each: &mut dyn FnMut(Part<'_>)) -> io::Result<()> {
        let all = if matches!(task, Task::Check(_)) { self.checking } else { self.reading };
        // An alarm is set in whole seconds, and none would be none.
        let Some(left @ 1..) = all.checked_sub(self.begun.elapsed()).map(|left| left.as_secs()) else {
            return Ok(());
        };
        match &self.who {
            Who::Thread => {
                let (answer, mut output) = io::pipe()?;
                let (task, file) = (task.clone(), file.try_clone()?);
                let thread = std::thread::spawn(move || perform(&task, file, &mut output));
                let _ = receive(answer, each);
                let _ = thread.join();
                Ok(())
            }
            Who::Program(program) => {
                let mut child = Reaped(start(program, task, file, left)?);
                let output = child.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
                let Err(broken) = receive(output, each) else { return Ok(()) };
                // What it dies of by itself is in the file; but a machine without memory, say, is no damage.
                if broken.kind() == io::ErrorKind::UnexpectedEof
                    && child.0.wait()?.signal() == Some(Signal::SIGKILL as i32)
                {
                    return Err(io::Error::other("the process that was to check it was killed"));
                }
                Ok(())
            }
        }
    }
}

/// A child process that does not outlive its use.
struct Reaped(Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &Path, task: &Task, file: &File, seconds: u64) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args([ARGUMENT, &seconds.to_string()]);
    match task {
        Task::Check(view) => command.arg(view.to_string()),
        Task::Dump(view, from, backwards) => {
            command.args([view.to_string(), from.to_string()]).args(backwards.then_some("backwards"))
        }
    };
    // Opened anew, so that it can't be written, and that nobody but us holds our lock.
    let input = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    // What it says of its panics is no news.
    command.env_clear().stdin(input).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// A part of an answer.
enum Part<'p> {
    Table(usize),
    Record(usize, &'p [u8], &'p [u8]),
    Sound(Sound),
    End,
}

fn receive(answer: impl Read, each: &mut dyn FnMut(Part<'_>)) -> io::Result<()> {
    let mut answer = BufReader::new(answer);
    let number = |answer: &mut dyn Read| {
        let mut bytes = [0; 8];
        answer.read_exact(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    };
    let bytes = |answer: &mut dyn Read| {
        let length = number(answer)?;
        let mut bytes = Vec::new();
        answer.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        }
    };
    let mut table = 0;
    loop {
        let mut tag = [0];
        answer.read_exact(&mut tag)?;
        match tag {
            [TABLE] => {
                table = usize::try_from(number(&mut answer)?).unwrap_or(usize::MAX);
                each(Part::Table(table));
            }
            [RECORD] => {
                let (key, value) = (bytes(&mut answer)?, bytes(&mut answer)?);
                each(Part::Record(table, &key, &value));
            }
            [SOUND] => {
                let transaction = number(&mut answer)?;
                let (fell_back, doubtful) = (number(&mut answer)? != 0, number(&mut answer)? != 0);
                each(Part::Sound(Sound { transaction, fell_back, doubtful }));
            }
            [END] => {
                each(Part::End);
                return Ok(());
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Writes a part of an answer, at once, for the next one may never come.
fn write(output: &mut dyn Write, tag: u8, numbers: &[u64], bytes: [&[u8]; 2]) -> io::Result<()> {
    let mut part = vec![tag];
    part.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    if tag == RECORD {
        for bytes in bytes {
            part.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            part.extend_from_slice(bytes);
        }
    }
    output.write_all(&part)
}

fn perform(task: &Task, file: File, output: &mut dyn Write) -> io::Result<()> {
    match task {
        Task::Check(view) => {
            if let Some(sound) = check(Image::new(file, view.clone())?) {
                let numbers = [sound.transaction, u64::from(sound.fell_back), u64::from(sound.doubtful)];
                write(output, SOUND, &numbers, [&[], &[]])?;
            }
        }
        Task::Dump(view, from, backwards) => {
            if let Ok(database) = open(Image::new(file, view.clone())?, |_| {}) {
                dump(&database, *from, *backwards, output)?;
            }
        }
    }
    write(output, END, &[], [&[], &[]])
}

fn open(image: Image, repairing: impl Fn(f64) + 'static) -> Result<Database, redb::DatabaseError> {
    // redb would make a new one.
    if image.len().is_ok_and(|length| length == 0) {
        return Err(redb::StorageError::Corrupted("it is empty".to_owned()).into());
    }
    let repairing = move |session: &mut redb::RepairSession| repairing(session.progress());
    builder().set_repair_callback(repairing).create_with_backend(image)
}

/// Checks an image by redb's checksums, which tell of every page that is in use. A file that was closed needs no
/// repair, as a rule; one that was not is repaired first, which is what redb does at each such start.
fn check(image: Image) -> Option<Sound> {
    let clean = image.is_clean();
    let (repaired, fell_back) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let seen = (Arc::clone(&repaired), Arc::clone(&fell_back));
    let mut database = open(image.clone(), move |progress| {
        seen.0.store(true, Ordering::Relaxed);
        // A repair begins with 0. Between that and its second half it comes by only if what the last commit wrote is
        // not whole.
        seen.1.fetch_or(progress > 0.0 && progress < 0.5, Ordering::Relaxed);
    })
    .ok()?;
    let intact = database.check_integrity().ok()?;
    drop(database);
    let (transaction, fell_back) = (image.last_transaction(), fell_back.load(Ordering::Relaxed));
    let doubtful = clean && repaired.load(Ordering::Relaxed);
    // Who fell back from a commit that had been closed lost it.
    let sound = !clean || (intact && !fell_back);
    sound.then_some(Sound { transaction, fell_back, doubtful })
}

fn dump(database: &Database, from: usize, backwards: bool, output: &mut dyn Write) -> io::Result<()> {
    let Ok(transaction) = database.begin_read() else { return Ok(()) };
    for (number, definition) in tables::ALL.into_iter().enumerate().skip(from) {
        write(output, TABLE, &[number as u64], [&[], &[]])?;
        let Ok(table) = transaction.open_table(definition) else { continue };
        let forwards = number != from || !backwards;
        if forwards {
            let mut whole = table.iter().is_ok();
            for entry in table.iter().into_iter().flatten() {
                let Ok((key, value)) = entry else {
                    whole = false;
                    break;
                };
                write(output, RECORD, &[], [key.value(), value.value()])?;
            }
            if whole {
                continue;
            }
        }
        for entry in table.iter().into_iter().flatten().rev() {
            let Ok((key, value)) = entry else { break };
            write(output, RECORD, &[], [key.value(), value.value()])?;
        }
    }
    Ok(())
}

#[cfg(test)]
impl Reader {
    /// Makes a reader that asks a program, which has so many seconds for checks, and for all.
    pub(super) fn of(program: PathBuf, checking: u64, reading: u64) -> Self {
        let [checking, reading] = [checking, reading].map(Duration::from_secs);
        Self { who: Who::Program(program), begun: Instant::now(), checking, reading }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_told_and_understood() {
        let told = |arguments: &[&str]| {
            let job = asked(["omadmd"].iter().chain(arguments).map(OsString::from))?;
            Some((job.task, job.seconds))
        };
        let first = Task::Check("first,3".parse().unwrap());
        assert_eq!(told(&[ARGUMENT, "40", "first,3"]), Some((first, 40)));
        assert_eq!(told(&[ARGUMENT, "1", "whole", "2"]), Some((Task::Dump(View::Whole, 2, false), 1)));
        let backwards = Task::Dump(View::SECOND, 2, true);
        assert_eq!(told(&[ARGUMENT, "9", "second", "2", "backwards"]), Some((backwards, 9)));
        for wrong in [&["--check"][..], &[], &[ARGUMENT, "9", "third"], &[ARGUMENT, "first"]] {
            assert_eq!(told(wrong), None);
        }
    }
}
