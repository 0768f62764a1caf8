//! The commands of both programs. They render into `impl Write`; what goes to the standard streams
//! and how the programs exit is decided here.

mod ask;
pub mod client;
mod clock;
pub mod decode;
pub mod diff;
pub mod explain;
pub mod filter;
pub mod graph;
mod group_text;
pub mod heddle;
mod hex;
pub mod json;
pub mod keyed;
mod lines;
pub mod manual;
pub mod message_text;
pub mod monitor;
pub mod ofctl_dump;
pub mod parse;
mod punts;
pub mod snoop;
mod status_text;
pub mod switch_text;
mod tables;
pub mod trace;
mod underlay;
pub mod watch;
mod why;

use std::io::{self, Write};
use std::process::ExitCode;

/// Ran, and found a difference or nothing.
const NOTHING: u8 = 1;
/// Wrong usage, or something failed.
const FAILURE: u8 = 2;

/// The program `ofctl-dump`.
pub fn ofctl_dump_main() -> ExitCode {
    let mut out = io::BufWriter::with_capacity(256 * 1024, io::stdout().lock());
    let args = ofctl_dump::Args::parse();
    let result = ofctl_dump::run(&args, &mut out).and_then(|found| {
        out.flush()?;
        Ok(found)
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOTHING),
        // Whoever reads has seen enough.
        Err(ofctl_dump::Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            eprintln!("ofctl-dump: {error}");
            ExitCode::from(FAILURE)
        }
    }
}
