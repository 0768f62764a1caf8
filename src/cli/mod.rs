//! The commands of both programs: data on stdout, the rest on stderr.

pub mod heddle;
mod status_text;
