//! The tree as it reads: what every GET, and every write that looks first, sees of nodes that `resolve` has found.
//!
//! 1. A [`Pass`] begins: for whom, and of which state of the store (`pass`).
//! 2. What the DDF lets nobody see, and secrets, are refused or left out (`visibility`). Rights are `access`'s.
//! 3. A leaf has its value from the store, a pinned answer, or the best of its sources (`leaf`), which are told what
//!    they work for (`scope`). Un-named children are listed by the machine, or found in the store (`siblings`).
//! 4. Of more than a leaf, all that is outside the store is gathered into a [`ReadView`] first (`read_view`), as far as
//!    it matters (`extent`).
//! 5. That is walked over as often as needed, without waiting for anybody (`walk`): whether anything is there (`known`,
//!    `presence`), which cache validator it has (`cache_validator`), and what is written of it (`json`, `envelope`).
//!
//! Who puts it together stands above: `read` for one GET, `batch` for many nodes at one moment.

pub(super) mod cache_validator;
pub(super) mod envelope;
mod extent;
mod json;
mod known;
mod leaf;
mod pass;
mod presence;
mod read_view;
mod scope;
mod siblings;
mod visibility;
mod walk;

pub(super) use extent::Extent;
pub(super) use json::{Writer, empty};
pub(super) use known::required;
pub(super) use leaf::UNSET;
pub(super) use pass::Pass;
pub(super) use presence::is_there;
pub(super) use read_view::ReadView;
pub(super) use scope::Scope;
pub(super) use siblings::{Siblings, is_listed};
pub(super) use visibility::{readable, secret, withheld};
pub(super) use walk::{Step, Walk};
