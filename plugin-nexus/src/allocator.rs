//! The plugin's own heap, apart from the host's.
//!
//! What the journal and the lanes allocate lives for microseconds or for days, on many threads. glibc's arenas keep the pages
//! of such a mix: with some 30 MiB in use they held 110 MiB after four minutes, and grew on. jemalloc gives pages back and stays
//! where it is; it is built with ordinary thread-local storage, since a library that is loaded late has no part in the static.
//!
//! Nothing that is allocated on one side of the boundary is freed on the other (`abi_stable` tells the sides apart), so the
//! host's allocator is not touched. A fuzz target keeps the system's, which its sanitiser watches.

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static HEAP: Jemalloc = Jemalloc;
