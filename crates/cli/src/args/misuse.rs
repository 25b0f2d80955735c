//! What is said of a command line that is wrong: one line that names the option, the value, and
//! what would be right.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::error::Error as _;
use std::num::ParseIntError;

/// The line, whatever was typed. `words` is the command line.
pub(super) fn sentence(error: &clap::Error, mut commands: Command, words: &[String]) -> String {
    commands.build();
    let command = words.get(1).and_then(|word| commands.find_subcommand(word));
    let what = what(error, command.unwrap_or(&commands), words);
    let name = command.map_or_else(String::new, |command| format!("{} ", command.get_name()));
    let line = format!("{what}; see 'sockeye {name}--help'");
    // What was typed may hold newlines and worse.
    line.chars().fold(String::new(), |mut line, char| {
        match char {
            '\'' | '"' => line.push(char),
            _ => line.extend(char.escape_debug()),
        }
        line
    })
}

fn what(error: &clap::Error, command: &Command, words: &[String]) -> String {
    let context = |kind| error.get(kind).map(words_of).unwrap_or_default();
    let (arg, value) = (context(ContextKind::InvalidArg), context(ContextKind::InvalidValue));
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let kind = if arg.starts_with('-') { "option" } else { "argument" };
            format!("unknown {kind} '{arg}'{}", instead(&context(ContextKind::SuggestedArg)))
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(ContextKind::InvalidSubcommand);
            let near = instead(&context(ContextKind::SuggestedSubcommand));
            let names = command.get_subcommands().map(Command::get_name);
            let names = names.collect::<Vec<_>>().join(", ");
            format!("unknown command '{name}'{near}; the commands are {names}")
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("'{arg}' lacks its value{}", about(command, &arg))
        }
        ErrorKind::InvalidValue => {
            let valid = context(ContextKind::ValidValue);
            format!("'{arg}' cannot be '{value}': it takes {valid}")
        }
        ErrorKind::ValueValidation => format!("'{arg}' cannot be '{value}': {}", why(error)),
        ErrorKind::TooManyValues => format!("'{arg}' takes no value, so not '{value}'"),
        ErrorKind::MissingRequiredArgument => format!("'{arg}' is missing{}", about(command, &arg)),
        ErrorKind::ArgumentConflict => match prior(error, words) {
            prior if prior.is_empty() || prior == arg => {
                format!("'{arg}' is given more than once; give it once")
            }
            prior => format!("'{arg}' does not go with '{prior}'; leave one of them out"),
        },
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8; write it in UTF-8".to_owned(),
        // None of the options takes these forms; should one come to, this is still one line.
        kind @ (ErrorKind::NoEquals
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion
        | ErrorKind::Io
        | ErrorKind::Format
        | _) => format!("{kind} '{arg}' '{value}'"),
    }
}

/// With what an argument does not go: of a group of options, those that were given.
fn prior(error: &clap::Error, words: &[String]) -> String {
    let Some(ContextValue::Strings(options)) = error.get(ContextKind::PriorArg) else {
        return error.get(ContextKind::PriorArg).map(words_of).unwrap_or_default();
    };
    let is_given = |option: &&String| {
        let flag = option.split(' ').next().unwrap_or_default();
        words.iter().any(|word| word.starts_with(flag))
    };
    let given: Vec<&str> = options.iter().filter(is_given).map(String::as_str).collect();
    given.join("' and '")
}

/// What the parser of a value says of it, which is also what would be right.
fn why(error: &clap::Error) -> String {
    match error.source() {
        Some(source) if source.is::<ParseIntError>() => "it takes a whole number".to_owned(),
        Some(source) => source.to_string(),
        None => "it has another form".to_owned(),
    }
}

/// The help about an argument, which says what it takes.
fn about(command: &Command, arg: &str) -> String {
    let known = command.get_arguments().find(|known| known.to_string() == arg);
    let help = known.and_then(|known| known.get_help());
    help.map_or_else(String::new, |help| format!(" ({help})"))
}

fn instead(suggestion: &str) -> String {
    match suggestion {
        "" => String::new(),
        _ => format!(", but there is '{suggestion}'"),
    }
}

fn words_of(value: &ContextValue) -> String {
    if let ContextValue::Strings(texts) = value { texts.join(", ") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::super::Args;
    use super::*;
    use clap::{Arg, ArgAction, CommandFactory, Parser};

    /// What is said of a command line, if it is wrong.
    fn said(words: &[&str]) -> Option<String> {
        let error = Args::try_parse_from(words).err()?;
        assert!(error.use_stderr(), "{words:?}");
        let words: Vec<String> = words.iter().copied().map(str::to_owned).collect();
        Some(sentence(&error, Args::command(), &words))
    }

    /// Calls `check` with every option of every command, and enough else to be complete.
    fn every_option(check: impl Fn(&[&str], &Arg)) {
        let mut all = Args::command();
        all.build();
        for command in all.get_subcommands().filter(|command| command.get_name() != "help") {
            let mut start = vec!["sockeye", command.get_name()];
            start.extend(command.get_positionals().filter(|arg| arg.is_required_set()).map(|_| {
                "ws://a/" // the one thing that must be there
            }));
            for option in command.get_opts() {
                check(&start, option);
            }
        }
    }

    fn flag_of(option: &Arg) -> String {
        let long = option.get_long().map(|long| format!("--{long}"));
        long.or_else(|| option.get_short().map(|short| format!("-{short}"))).expect("a flag")
    }

    #[test]
    fn a_wrong_value_of_any_option_is_one_line_that_names_it() {
        every_option(|start, option| {
            let flag = flag_of(option);
            let wrong = format!("{flag}=?\n\u{1b}[2J");
            let Some(line) = said(&[start, &[&wrong]].concat()) else { return };
            assert!(
                line.starts_with(&format!("'{option}' cannot be '?\\n\\u{{1b}}[2J': ")),
                "{line}"
            );
            assert_eq!(line.lines().count(), 1, "{line}");
            let right = line.split_once("': ").map(|(_, right)| right).unwrap_or_default();
            assert!(
                right.len() > " see 'sockeye serve --help'".len() + 10,
                "what is right? {line}"
            );
            for jargon in ["invalid digit", "..=", "Err("] {
                assert!(!line.contains(jargon), "{line}");
            }
        });
    }

    #[test]
    fn a_missing_value_of_any_option_is_one_line_with_its_help() {
        every_option(|start, option| {
            let line = said(&[start, &[&flag_of(option)]].concat()).expect("it takes a value");
            let help = option.get_help().expect("every option has help").to_string();
            assert!(line.starts_with(&format!("'{option}' lacks its value (")), "{line}");
            assert!(line.contains(help.split('"').next().expect("it has a start")), "{line}");
        });
    }

    #[test]
    fn a_slip_in_any_option_is_one_line_with_the_right_one() {
        every_option(|start, option| {
            let Some(long) = option.get_long() else { return };
            let slip = format!("--{long}s");
            let line = said(&[start, &[&slip]].concat()).expect("there is no such option");
            let expected = format!("unknown option '{slip}', but there is '--{long}'; see ");
            assert!(line.starts_with(&expected), "{line}");
        });
    }

    #[test]
    fn an_option_given_twice_is_one_line() {
        every_option(|start, option| {
            if !matches!(option.get_action(), ArgAction::Set) {
                return;
            }
            let flag = flag_of(option);
            let value = option.get_default_values().first().and_then(|value| value.to_str());
            let twice = [&*flag, value.unwrap_or("1"), &flag, value.unwrap_or("1")];
            let Some(line) = said(&[start, &twice].concat()) else { return };
            assert!(line.starts_with(&format!("'{option}' ")), "{line}");
        });
    }
}
