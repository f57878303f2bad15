//! Opening the database, wherever that is.

use redb::Builder;

/// The size of redb's cache in bytes; its own default is 1 GiB.
const CACHE: usize = 80 * 1024;

/// redb's builder of databases, with a small cache.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}
