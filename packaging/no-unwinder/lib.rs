//! The unwinder of a program that unwinds no stack, in place of libgcc's.
//!
//! A release ends at a panic (`panic = "abort"` in Cargo.toml), and has no tables that say how its stack is walked. Yet the
//! standard library, as it comes compiled, calls an unwinder for backtraces and for cleaning up, which brings in libgcc
//! (122 KiB) and all that puts names to addresses (170 KiB). With these in the program there is no backtrace to name:
//! `RUST_BACKTRACE` adds a headline to the message of a panic, as it did before, and nothing below it.
//!
//! It is a crate of its own because the name of a symbol is an unsafe attribute, and the agent forbids those. There is no
//! unsafe code here. Tests, benchmarks and debug builds unwind, so to them this crate is empty.
#![cfg(all(
    panic = "abort",
    target_os = "linux",
    target_env = "gnu",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

use std::ffi::c_int;
use std::process::abort;
use std::ptr::null;

/// `_URC_END_OF_STACK` of the Itanium C++ ABI: there is no further frame.
const END_OF_STACK: c_int = 5;

/// Finds no frame.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Backtrace(_each: *const u8, _argument: *const u8) -> c_int {
    END_OF_STACK
}

/// Goes on unwinding, which nobody has begun.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Resume(_exception: *const u8) -> ! {
    abort()
}

// What the standard library asks of a frame it is to clean up. There never is one.

/// Of a frame: where it is in its function.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_GetIP(_frame: *const u8) -> usize {
    0
}

/// Of a frame: where it is in its function, and whether before that instruction.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_GetIPInfo(_frame: *const u8, _before: *const c_int) -> usize {
    0
}

/// Of a frame: what its function does when it is unwound.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_GetLanguageSpecificData(_frame: *const u8) -> *const u8 {
    null()
}

/// Of a frame: where its function begins.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_GetRegionStart(_frame: *const u8) -> usize {
    0
}

/// Of a frame: what addresses of code are counted from.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_GetTextRelBase(_frame: *const u8) -> usize {
    0
}

/// Of a frame: what addresses of data are counted from.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_GetDataRelBase(_frame: *const u8) -> usize {
    0
}

/// Of a frame: with which registers it goes on.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_SetGR(_frame: *const u8, _register: c_int, _value: usize) {}

/// Of a frame: where it goes on.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_SetIP(_frame: *const u8, _address: usize) {}
