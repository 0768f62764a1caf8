//! Help, manual page and shell completions of a program, all out of its one definition of the command line.
//!
//! What that does not say (examples, exit codes, environment, files) stands in a [`Manual`], which both `--help` and
//! the manual page show.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

/// Options of both programs that print something about the program itself.
#[derive(clap::Args, Debug)]
pub struct ManualArgs {
    /// Print a script that completes this command line in a shell
    #[arg(long, value_name = "SHELL", exclusive = true)]
    completions: Option<Shell>,
    /// Print the manual page, for man -l -
    #[arg(long, exclusive = true)]
    man: bool,
}

/// What a manual says beyond the command line. Each entry is a heading and its text.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// Commands, and what they do.
    pub examples: &'static [(&'static str, &'static str)],
    /// Exit codes.
    pub exit_status: &'static [(&'static str, &'static str)],
    /// Environment variables.
    pub environment: &'static [(&'static str, &'static str)],
    /// Files.
    pub files: &'static [(&'static str, &'static str)],
    /// Other manual pages.
    pub see_also: &'static str,
}

impl Manual {
    /// Puts the examples and exit codes behind the long help of `command`.
    pub fn with_help(&self, command: Command) -> Command {
        let mut text = String::from("Examples:\n");
        for (example, meaning) in self.examples {
            let _ = writeln!(text, "  {example}\n          {meaning}");
        }
        text.push_str("\nExit status:\n");
        for (code, meaning) in self.exit_status {
            let _ = writeln!(text, "  {code}  {meaning}");
        }
        command.after_long_help(StyledStr::from(text.trim_end().to_owned()))
    }

    /// The manual page of `command`.
    pub fn page(&self, command: &Command, out: &mut impl Write) -> io::Result<()> {
        // The sections below say what stands behind the help.
        let command = command.clone().after_long_help("");
        let man = Man::new(command.clone());
        man.render_title(out)?;
        man.render_name_section(out)?;
        man.render_synopsis_section(out)?;
        man.render_description_section(out)?;
        man.render_options_section(out)?;
        commands(&command, out)?;
        entries("EXAMPLES", self.examples, out)?;
        entries("EXIT STATUS", self.exit_status, out)?;
        entries("ENVIRONMENT", self.environment, out)?;
        entries("FILES", self.files, out)?;
        let mut roff = Roff::new();
        roff.control("SH", ["SEE ALSO"]).text([roman(self.see_also)]);
        out.write_all(roff.render().as_bytes())
    }
}

impl ManualArgs {
    /// Prints what is asked for of `command`. False: nothing is.
    pub fn print(&self, mut command: Command, manual: &Manual, out: &mut impl Write) -> io::Result<bool> {
        if let Some(shell) = self.completions {
            let name = command.get_name().to_owned();
            // The generator cannot tell of a closed pipe: it writes to memory.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name, &mut script);
            out.write_all(&script)?;
        } else if self.man {
            command.build();
            manual.page(&command, out)?;
        }
        Ok(self.completions.is_some() || self.man)
    }
}

/// Ends the process with what clap has to say: help on the standard output, wrong usage in the form of all other errors
/// of `program` on the standard error.
pub fn exit(program: &str, error: &clap::Error) -> ! {
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(text) => {
            eprint!("{program}: {text}");
            std::process::exit(error.exit_code())
        }
        None => error.exit(),
    }
}

fn entries(title: &str, entries: &[(&str, &str)], out: &mut impl Write) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (head, text) in entries {
        roff.control("TP", []).text([bold(*head)]).text([roman(*text)]);
    }
    out.write_all(roff.render().as_bytes())
}

/// The commands with their options, each below a heading of its own.
fn commands(command: &Command, out: &mut impl Write) -> io::Result<()> {
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in command.get_subcommands().filter(shown) {
        let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").trim();
        roff.control("SS", [command.get_name()]).text([italic(usage)]).control("PP", []).text([roman(about)]);
        for argument in command.get_arguments().filter(|argument| !is_common(argument)) {
            roff.control("TP", []).text([bold(heading(argument))]).text([roman(help(argument))]);
        }
    }
    out.write_all(roff.render().as_bytes())
}

/// Arguments that every command has.
fn is_common(argument: &Arg) -> bool {
    argument.is_hide_set() || matches!(argument.get_id().as_str(), "help" | "version")
}

/// `-c, --config FILE`, or the name of what has no option.
fn heading(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let options = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    let takes_value = argument.get_action().takes_values();
    let values = argument.get_value_names().unwrap_or_default().iter().map(|name| name.as_str());
    let values = values.collect::<Vec<_>>().join(" ");
    match (options.as_str(), takes_value) {
        ("", _) => values,
        (options, false) => options.to_owned(),
        (options, true) => format!("{options} {values}"),
    }
}

/// The help of an argument, with the values that it takes.
fn help(argument: &Arg) -> String {
    let text = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    let names: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).map(|value| value.get_name()).collect();
    if argument.get_action().takes_values() && !names.is_empty() {
        format!("{text} [{}]", names.join(", "))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: Manual = Manual {
        examples: &[("frob -x it", "frobs it")],
        exit_status: &[("0", "all was frobbed")],
        environment: &[("FROB", "how")],
        files: &[],
        see_also: "brof(1)",
    };

    fn command() -> Command {
        let level =
            Arg::new("level").short('l').long("level").value_name("N").help("how much").value_parser(["lo", "hi"]);
        let sub =
            Command::new("it").about("Frobs it").arg(level).arg(Arg::new("file").value_name("FILE").help("which"));
        Command::new("frob").about("Frobs").arg(Arg::new("x").short('x').long_help("all\n\nof it")).subcommand(sub)
    }

    #[test]
    fn a_manual_page_has_options_commands_examples_and_exit_codes() {
        let mut page = Vec::new();
        MANUAL.page(&MANUAL.with_help(command()), &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        for part in [
            ".SH OPTIONS",
            ".SH COMMANDS\n.SS it\n",
            "Frobs it",
            "how much [lo, hi]",
            "\\-\\-level N",
            ".SH EXAMPLES\n.TP\n\\fBfrob \\-x it\\fR\nfrobs it\n",
            ".SH \"EXIT STATUS\"",
            ".SH ENVIRONMENT",
            "brof(1)",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        assert!(!page.contains("FILES") && page.matches("frobs it").count() == 1);
    }

    #[test]
    fn the_long_help_ends_with_examples_and_exit_codes() {
        let help = MANUAL.with_help(command()).render_long_help().to_string();
        assert!(
            help.ends_with("Examples:\n  frob -x it\n          frobs it\n\nExit status:\n  0  all was frobbed\n"),
            "{help}"
        );
    }
}
