//! `sockeye man`: writes the manual pages, one of the program and one of each command.

use crate::args::{Args, ManArgs};
use crate::ending::{Ending, FAILED};
use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// When this version came to be. Not when its pages are made: they are the same whoever makes them.
const DATE: &str = "2026-11-23";

/// Writes the pages into the directory that is asked for, which is made if need be.
pub(crate) fn run(args: &ManArgs) -> Ending {
    let directory = &args.directory;
    match write_all(directory) {
        Ok(()) => Ending::success(),
        Err(error) => {
            let directory = directory.display();
            Ending::with(FAILED, format!("cannot write manual pages to {directory}: {error}"))
        }
    }
}

fn write_all(directory: &Path) -> io::Result<()> {
    let mut program = Args::command().disable_help_subcommand(true);
    program.build();
    fs::create_dir_all(directory)?;
    fs::write(directory.join("sockeye.1"), page("sockeye", &program)?)?;
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("sockeye-{}", command.get_name());
        fs::write(directory.join(format!("{name}.1")), page(&name, command)?)?;
    }
    Ok(())
}

fn page(name: &str, command: &Command) -> io::Result<Vec<u8>> {
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let command = command.clone().display_name(name.to_owned()).mut_args(with_aliases);
    let has_commands = command.has_subcommands();
    let man = Man::new(command);
    let mut page = Vec::new();
    let version = env!("CARGO_PKG_VERSION");
    writeln!(page, ".TH \"{name}\" \"1\" \"{DATE}\" \"sockeye {version}\" \"Sockeye\"")?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    notes(&after, &mut page)?;
    Ok(page)
}

/// Other names of an option go into its help: pages would not have them.
fn with_aliases(arg: Arg) -> Arg {
    let (Some(names), Some(help)) = (arg.get_visible_aliases(), arg.get_help()) else { return arg };
    let help = format!("{help}; also --{}", names.join(", --"));
    arg.help(help)
}

/// What follows the options in the help: exit status and examples get sections of their own.
fn notes(text: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let mut section = "";
    for paragraph in text.split("\n\n") {
        let (wanted, body) = match paragraph.split_once(":\n") {
            Some(("Examples", examples)) => ("EXAMPLES", examples),
            Some(("Exit status", list)) => ("EXIT STATUS", list),
            _ if paragraph.starts_with("Exit status") => ("EXIT STATUS", paragraph),
            _ => ("NOTES", paragraph),
        };
        if section == wanted {
            writeln!(page, ".PP")?;
        } else {
            writeln!(page, ".SH \"{wanted}\"")?;
            section = wanted;
        }
        let set_out = body.lines().any(|line| line.starts_with("  "));
        let lines = body.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
        let lines: Vec<String> = lines.map(escaped).collect();
        let lines = lines.join("\n");
        match set_out {
            true => writeln!(page, ".nf\n{lines}\n.fi")?,
            false => writeln!(page, "{lines}")?,
        }
    }
    Ok(())
}

/// Text that troff takes for nothing else: a hyphen may be part of an option.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if line.starts_with('.') { format!("\\&{line}") } else { line }
}
