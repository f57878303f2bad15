//! File systems that hang: FUSE, of which the test itself is the server. In a mount namespace of the test's own
//! ([`super::network::of_its_own`]).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const BATCH_FORGET: u32 = 42;
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

/// A mount that nobody answers. What hangs there fails when this is dropped.
pub(crate) struct Silent(#[expect(dead_code, reason = "open as long as it hangs")] File);

/// Mounts a file system at a folder.
///
/// # Panics
/// The kernel has no FUSE, or forbids it: what needs it has then not been shown.
fn fuse(folder: &Path) -> File {
    std::fs::create_dir_all(folder).unwrap();
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let device = device.unwrap_or_else(|error| panic!("a file system that hangs needs /dev/fuse: {error}"));
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let mounted = mount(Some("hung"), folder, Some("fuse"), MsFlags::empty(), Some(options.as_str()));
    mounted.unwrap_or_else(|error| panic!("a file system that hangs can't be mounted: {error}"));
    device
}

/// Mounts a file system that never says a word.
pub(crate) fn silent(folder: &Path) -> Silent {
    Silent(fuse(folder))
}

/// Mounts a file system with one file, `leaf`, that can be read. It falls silent when a file is to be made beside it.
pub(crate) fn unwritable(folder: &Path, content: &'static [u8]) -> Silent {
    let device = fuse(folder);
    let server = device.try_clone().unwrap();
    std::thread::spawn(move || serve(server, content));
    Silent(device)
}

fn serve(mut device: File, content: &[u8]) {
    let mut request = vec![0; 1 << 20];
    while let Ok(length @ 40..) = device.read(&mut request) {
        let number = |at: usize| u64::from_le_bytes(request[at..at + 8].try_into().unwrap());
        let opcode = u32::from_le_bytes(request[4..8].try_into().unwrap());
        let name = || request[40..length].split(|byte| *byte == 0).next().unwrap();
        let answer = match opcode {
            INIT => {
                let mut out = [7_u32, 31, 0, 0, 0, 4096, 1].map(u32::to_le_bytes).concat();
                out.resize(64, 0);
                Ok(out)
            }
            LOOKUP if name() == b"leaf" => {
                let mut out = [2_u64, 0, 0, 0, 0].map(u64::to_le_bytes).concat();
                out.extend(attributes(2, content));
                Ok(out)
            }
            LOOKUP => Err(ENOENT),
            GETATTR => {
                let mut out = vec![0; 16];
                out.extend(attributes(number(16), content));
                Ok(out)
            }
            OPEN => Ok(vec![0; 16]),
            READ => {
                let from = usize::try_from(number(48)).unwrap().min(content.len());
                Ok(content[from..].to_vec())
            }
            STATFS => Ok(vec![0; 80]),
            RELEASE | FLUSH => Ok(Vec::new()),
            FORGET | BATCH_FORGET => continue,
            _ => Err(ENOSYS),
        };
        let silent = opcode == LOOKUP && name().starts_with(b".");
        let body = answer.as_ref().map_or(&[][..], Vec::as_slice);
        let mut out = u32::try_from(16 + body.len()).unwrap().to_le_bytes().to_vec();
        out.extend((-answer.as_ref().err().copied().unwrap_or_default()).to_le_bytes());
        out.extend(number(8).to_le_bytes());
        out.extend(body);
        // What it no longer waits for, the kernel does not take.
        let _ = device.write(&out);
        if silent {
            return;
        }
    }
}

fn attributes(node: u64, content: &[u8]) -> Vec<u8> {
    let mode: u32 = if node == 1 { 0o40755 } else { 0o100_644 };
    let mut out = [node, content.len() as u64, 1, 0, 0, 0].map(u64::to_le_bytes).concat();
    out.extend([0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].map(u32::to_le_bytes).concat());
    out
}
