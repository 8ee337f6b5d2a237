//! `tollwatch --stack NAME COMMAND ...`: what the user does not say is taken from the outputs of a deployed stack.
//!
//! The command line is read twice: first to know the command and the stack, with nothing required that the stack can
//! say; then with the outputs as the defaults of the flags. What the user gives wins.

mod defaults;
mod outputs;

use std::ffi::OsString;

use anyhow::anyhow;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::failure::{Blame as _, Failure};
use crate::stack::defaults::{FROM_STACK, FromStack, READ_THE_STACK, of_command};
pub(crate) use crate::stack::outputs::{DeployedStack, StackError};

/// Reads the command line. Ends the process where clap does: with a help text, or with what is wrong.
pub(crate) async fn parse(command: Command, arguments: Vec<OsString>) -> Result<ArgMatches, Failure> {
    let command = described(command);
    let Ok(first) = relaxed(command.clone()).try_get_matches_from(&arguments) else {
        // Read as it is declared, it says what is required, too.
        return Ok(command.get_matches_from(arguments));
    };
    let Some(stack) = first.get_one::<String>("stack") else { return Ok(command.get_matches_from(arguments)) };
    let (name, leaf) = chosen(&first);
    if READ_THE_STACK.contains(&name.as_str()) {
        return Ok(command.get_matches_from(arguments));
    }
    let wanted: Vec<&FromStack> = of_command(&name).filter(|from| is_wanted(from, leaf)).collect();
    if wanted.is_empty() {
        // A stack that the environment names is meant for other commands, too.
        let is_typed = first.value_source("stack") == Some(ValueSource::CommandLine);
        return match is_typed && of_command(&name).next().is_none() {
            true => Err(Failure::user(anyhow!("`tollwatch {name}` takes nothing from a stack: leave --stack out"))),
            false => Ok(command.get_matches_from(arguments)),
        };
    }
    let deployed = DeployedStack::read(&aws_account::sdk_config().await, stack).await.or_user()?;
    let mut command = command;
    for from in wanted {
        let value = deployed.fill(from.value).map_err(|error| {
            let flag = flag_name(&command, from);
            Failure::user(anyhow!(
                "{error}, which {flag} of `tollwatch {name}` would be: give {flag}, or deploy the stack with this \
                 version's template"
            ))
        })?;
        command = with_flag(command, from, |flag| flag.required(false).default_value(value.clone()));
    }
    Ok(command.get_matches_from(arguments))
}

/// The command with each help text saying what the flag is with a stack.
fn described(command: Command) -> Command {
    FROM_STACK.iter().fold(command, |command, from| {
        with_flag(command, from, |flag| {
            let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
            let value = from.value.replace(['{', '}'], "");
            flag.help(format!("{help} [with --stack: {value}]"))
        })
    })
}

/// The command without the need for what a stack can say.
fn relaxed(command: Command) -> Command {
    FROM_STACK.iter().fold(command, |command, from| with_flag(command, from, |flag| flag.required(false)))
}

fn with_flag(command: Command, from: &FromStack, change: impl Fn(Arg) -> Arg) -> Command {
    let path: Vec<&'static str> = from.command.split(' ').collect();
    below(command, &path, &|command| command.mut_arg(from.flag, &change))
}

/// Changes the subcommand at the end of a path.
fn below(command: Command, path: &[&'static str], change: &dyn Fn(Command) -> Command) -> Command {
    match path.split_first() {
        None => change(command),
        Some((first, rest)) => command.mut_subcommand(first, |command| below(command, rest, change)),
    }
}

/// The flag as people type it.
fn flag_name(command: &Command, from: &FromStack) -> String {
    let leaf = from.command.split(' ').try_fold(command, |command, name| command.find_subcommand(name));
    let long = leaf.and_then(|leaf| leaf.get_arguments().find(|arg| arg.get_id() == from.flag)?.get_long());
    format!("--{}", long.unwrap_or(from.flag))
}

/// The name of the command that was chosen, with its subcommands, and what was given to it.
fn chosen(matches: &ArgMatches) -> (String, &ArgMatches) {
    let (mut names, mut leaf) = (Vec::new(), matches);
    while let Some((name, below)) = leaf.subcommand() {
        names.push(name);
        leaf = below;
    }
    (names.join(" "), leaf)
}

/// Whether the user has left it to the stack.
fn is_wanted(from: &FromStack, given: &ArgMatches) -> bool {
    let is_given =
        |flag| matches!(given.value_source(flag), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
    !is_given(from.flag) && !from.unless.iter().any(|flag| is_given(flag))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory as _;

    use super::*;
    use crate::Arguments;

    #[test]
    fn every_entry_names_a_flag_and_its_help_says_where_the_value_comes_from() {
        let command = described(Arguments::command());
        for from in FROM_STACK {
            let leaf = from.command.split(' ').try_fold(&command, |command, name| command.find_subcommand(name));
            let leaf = leaf.unwrap_or_else(|| panic!("{} is no command", from.command));
            let find = |id: &str| leaf.get_arguments().find(|flag| flag.get_id() == id);
            let flag = find(from.flag).unwrap_or_else(|| panic!("{} has no {}", from.command, from.flag));
            assert!(flag.get_help().unwrap().to_string().contains("[with --stack: "), "{}", from.command);
            assert!(from.unless.iter().all(|unless| find(unless).is_some()), "{} {:?}", from.command, from.unless);
        }
        command.debug_assert();
    }

    #[test]
    fn what_a_stack_can_say_is_required_without_one() {
        for line in ["tollwatch batch --input a", "tollwatch snapshots list", "tollwatch serve"] {
            let words = line.split(' ');
            assert!(described(Arguments::command()).try_get_matches_from(words.clone()).is_err(), "{line}");
            assert!(relaxed(Arguments::command()).try_get_matches_from(words).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_is_given_and_what_is_local_is_not_left_to_the_stack() {
        let wanted = |line: &str| {
            let first = relaxed(Arguments::command()).try_get_matches_from(line.split(' ')).unwrap();
            let (name, leaf) = chosen(&first);
            let wanted = of_command(&name).filter(|from| is_wanted(from, leaf));
            wanted.map(|from| from.flag).collect::<Vec<_>>()
        };
        assert_eq!(wanted("tollwatch consume --checkpoints c"), ["stream", "table", "quarantine"]);
        assert_eq!(wanted("tollwatch consume --checkpoints c --table t --quarantine q"), ["stream"]);
        let local = "tollwatch consume --checkpoints c --kinesis-endpoint http://127.0.0.1:1";
        assert_eq!(wanted(local), ["table", "quarantine"]);
        assert_eq!(wanted("tollwatch quarantine redrive --at q"), ["stream"]);
        assert_eq!(wanted("tollwatch quarantine redrive --endpoint-url http://127.0.0.1:1"), ["at"]);
        // Who writes a file does not put its calls on a stream that the environment names.
        assert_eq!(wanted("tollwatch import f"), ["stream"]);
        for flags in ["--output o", "--dry-run", "--stream s --output o"] {
            assert_eq!(wanted(&format!("tollwatch import f {flags}")), [""; 0]);
        }
        assert_eq!(wanted("tollwatch --stack s demo"), [""; 0]);
    }
}
