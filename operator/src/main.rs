//! Parses arguments and starts.

use std::process::ExitCode;

/// glibc's allocator keeps the pages of a burst, such as a back-fill, for good; this one gives them back.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    banyan::cli::main()
}
