//! How the database is opened, wherever that is.

use redb::Builder;

/// redb's own default is 1 GiB.
const CACHE: usize = 128 * 1024;

/// With a small cache.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}
