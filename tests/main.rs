//! All tests that play with the agent from outside, as one program: it is linked once. Each file is a module, and
//! `make test ONLY=tests/FILE` runs one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod addressing;
mod alarm;
mod alarm_bus;
mod alerts;
mod architecture;
mod asking;
mod authentication;
mod bootstrap;
mod bus;
mod by_hand;
mod cache;
mod clock;
mod commands;
mod completions;
mod conformance;
mod ctl;
mod ctl_sessions;
mod damage;
mod demo;
mod described;
mod dmacc;
mod documentation;
mod exec;
mod exec_alert;
mod exec_input;
mod exec_output;
mod exec_permission;
mod faults;
mod full_disk;
mod fumo;
mod hanging;
mod helper_listen;
mod helper_programs;
mod http;
mod intent_kill;
mod just_in_time;
mod lawmo;
mod library;
mod lifecycle;
mod links;
mod memory;
mod mo_list;
mod mo_tools;
mod notification;
mod omadmctl;
mod one_file;
mod origins;
mod outside;
mod powercut;
mod profile;
mod protocol;
mod push;
mod queue;
mod report;
mod resume;
mod rights;
mod scomo;
mod service;
mod session;
mod shells;
mod silence;
mod store_kill;
mod subscription;
mod subscription_bus;
mod support;
mod whole_gateway;
mod writing;
