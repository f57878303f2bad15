//! The agent, killed at each write of an opening, a commit and a close: no such file is damaged.

use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::fixture::{missing, put, unpack};
use super::*;
use crate::store::builder::builder;
use crate::store::schema;
use crate::store::twin::{Half, Twin, file_length};

#[derive(Debug)]
enum Written {
    Bytes(u64, Vec<u8>),
    Length(u64),
}

/// A twin file that remembers what redb wrote to it.
#[derive(Debug)]
struct Recorded {
    twin: Twin,
    written: Arc<Mutex<Vec<Written>>>,
}

impl StorageBackend for Recorded {
    fn len(&self) -> io::Result<u64> {
        self.twin.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.twin.read(offset, out)
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.written.lock().unwrap().push(Written::Length(length));
        self.twin.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written.lock().unwrap().push(Written::Bytes(offset, data.to_vec()));
        self.twin.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.twin.close()
    }
}

/// The bytes of the file after a write, to one copy or both.
fn write(file: &mut Vec<u8>, written: &Written, halves: &[Half]) {
    match written {
        Written::Length(length) => file.resize(usize::try_from(file_length(*length)).unwrap(), 0),
        Written::Bytes(offset, data) => {
            for half in halves {
                for (number, byte) in data.iter().enumerate() {
                    file[usize::try_from(half.at(offset + number as u64)).unwrap()] = *byte;
                }
            }
        }
    }
}

/// What redb writes to a file in this state from its opening to its end.
fn session(path: &std::path::Path, before: &[u8]) -> Vec<Written> {
    put(path, before);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let written = Arc::default();
    let recorded = Recorded { twin: Twin::new(file, None).unwrap(), written: Arc::clone(&written) };
    let database = builder().create_with_backend(recorded).unwrap();
    schema::prepare(&database).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(b"probe".as_slice(), b"1".as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    std::mem::take(&mut *written.lock().unwrap())
}

#[test]
fn a_kill_at_any_write_is_no_damage() {
    for clean in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        unpack(folder.path());
        let store = Store::open(folder.path()).unwrap().store;
        let path = folder.path().join("store.redb");
        let running = std::fs::read(&path).unwrap();
        drop(store);
        let mut file = if clean { std::fs::read(&path).unwrap() } else { running };
        let session = session(&path, &file);
        assert!(session.len() > 10, "{} writes", session.len());
        // As the file says while somebody has it open.
        file[64] = 1;
        for (number, written) in session.iter().enumerate() {
            for halves in [&[Half::First][..], &[Half::First, Half::Second]] {
                write(&mut file, written, halves);
                put(&path, &file);
                let opened = Store::open(folder.path()).unwrap();
                let state = format!("clean {clean}, write {number} of {}, {halves:?}", session.len());
                assert_eq!(opened.set_aside, None, "{state}");
                assert_eq!(missing(&opened.store), Vec::<&str>::new(), "{state}");
            }
        }
    }
}
