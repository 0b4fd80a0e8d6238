//! The configuration file: the settings of the roles under the names of their flags. It is applied as their default, so flags and
//! environment come before it, and everything that checks a flag checks it too.

use crate::cli::Cli;
use anyhow::{Context, bail};
use clap::{Arg, Command, CommandFactory};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The commands whose flags are settings.
const ROLES: [&str; 5] = ["dev", "gateway", "console", "agent", "registry"];

/// Flags that say what to do once, not how to be.
const NOT_SETTINGS: [&str; 4] = ["demo", "help", "version", "config"];

/// The command line with the file's values as defaults.
///
/// # Errors
/// If the file cannot be read, is not TOML, or has a key that is no setting.
pub fn apply(file: &Path) -> anyhow::Result<Command> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("configuration file {}", file.display()))?;
    let values = parse(&text).with_context(|| format!("configuration file {}", file.display()))?;
    Ok(with_defaults(Cli::command(), &values))
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse()?;
    let known = settings();
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !known.contains_key(&key) {
            let names: Vec<&str> = known.keys().map(String::as_str).collect();
            bail!("unknown setting `{key}`; known: {}", names.join(", "));
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            other => bail!(
                "setting `{key}` is a {}; write a text, a number or a truth value",
                other.type_str()
            ),
        };
        values.insert(key, value);
    }
    Ok(values)
}

fn with_defaults(command: Command, values: &BTreeMap<String, String>) -> Command {
    let default = |arg: Arg| match arg.get_long().and_then(|long| values.get(long)) {
        Some(value) => arg.default_value(value.clone()),
        None => arg,
    };
    let command = command.mut_args(default);
    ROLES.iter().fold(command, |command, role| {
        command.mut_subcommand(role, |role| role.mut_args(default))
    })
}

/// Every setting by name, as the first role that has it defines it.
fn settings() -> BTreeMap<String, Arg> {
    let command = Cli::command();
    let roles = ROLES
        .iter()
        .filter_map(|role| command.find_subcommand(role));
    let all = command
        .get_arguments()
        .chain(roles.flat_map(Command::get_arguments));
    let mut settings = BTreeMap::new();
    for arg in all {
        if let Some(long) = arg.get_long().filter(|long| !NOT_SETTINGS.contains(long)) {
            settings
                .entry(long.to_owned())
                .or_insert_with(|| arg.clone());
        }
    }
    settings
}

/// A configuration file with every setting, commented, at its default.
#[must_use]
pub fn print() -> String {
    let mut text = String::from(
        "# Belfry: every setting of the roles (`belfry dev`, gateway, console, agent, registry), at its default.\n\
         # Flags come before environment variables, and both before this file. Use it with --config FILE or BELFRY_CONFIG.\n",
    );
    for (name, arg) in settings() {
        let help = arg
            .get_long_help()
            .or(arg.get_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        text.push('\n');
        for line in wrap(&help, 100) {
            writeln!(text, "# {line}").expect("writing to a string");
        }
        if let Some(env) = arg.get_env() {
            writeln!(text, "# Environment: {}", env.to_string_lossy())
                .expect("writing to a string");
        }
        let default = arg
            .get_default_values()
            .first()
            .map(|value| value.to_string_lossy().into_owned());
        let value = default.map_or_else(|| "\"\"  # not set".to_owned(), |value| literal(&value));
        writeln!(text, "#{name} = {value}").expect("writing to a string");
    }
    text
}

fn literal(value: &str) -> String {
    if value.parse::<i64>().is_ok() {
        value.to_owned()
    } else {
        // A JSON string is a basic string of TOML.
        serde_json::Value::from(value).to_string()
    }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use clap::FromArgMatches;

    fn dev(file: &str, args: &[&str]) -> cli::Dev {
        let command = with_defaults(Cli::command(), &parse(file).unwrap());
        let matches = command.try_get_matches_from(args).unwrap();
        match Cli::from_arg_matches(&matches).unwrap().command {
            cli::Command::Dev(dev) => *dev,
            other => panic!("not dev: {other:?}"),
        }
    }

    #[test]
    fn the_printed_file_is_valid_and_changes_nothing() {
        let printed = print();
        let uncommented: String = printed
            .lines()
            .filter_map(|line| {
                line.strip_prefix('#')
                    .filter(|rest| !rest.starts_with(' ') && !rest.contains("# not set"))
            })
            .fold(String::new(), |text, line| text + line + "\n");
        let values = parse(&uncommented).unwrap();
        assert!(values.len() > 10, "{uncommented}");
        let from_file = dev(&uncommented, &["belfry", "dev"]);
        assert_eq!(
            format!("{from_file:?}"),
            format!("{:?}", dev("", &["belfry", "dev"]))
        );
    }

    #[test]
    fn a_flag_comes_before_the_file() {
        let file = "gateway-addr = \"127.0.0.1:1\"\nevents-max-bytes = 7";
        assert_eq!(dev(file, &["belfry", "dev"]).gateway.gateway_addr.port(), 1);
        assert_eq!(dev(file, &["belfry", "dev"]).backends.events_max_bytes, 7);
        let args = ["belfry", "dev", "--gateway-addr", "127.0.0.1:2"];
        assert_eq!(dev(file, &args).gateway.gateway_addr.port(), 2);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = parse("gateway_addr = \"x\"").unwrap_err().to_string();
        assert!(
            error.contains("`gateway_addr`") && error.contains("gateway-addr"),
            "{error}"
        );
    }
}
