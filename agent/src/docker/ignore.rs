//! What a `.dockerignore` leaves out of what an image is built from.
//!
//! Read are comments (`#`), `*` and `?` within a name, `**` for any number of directories, and `!` for what is in after all; the
//! last line that fits holds, and what fits a directory fits all below it
//! (<https://docs.docker.com/build/concepts/context/#dockerignore-files>). Classes (`[a-z]`) and escapes (`\`) are refused
//! rather than misread.

use std::path::{Component, Path};

/// The lines of a `.dockerignore`.
#[derive(Debug, Default)]
pub(super) struct Ignored(Vec<Line>);

#[derive(Debug)]
struct Line {
    /// What fits is in after all.
    is_exception: bool,
    names: Vec<String>,
}

impl Ignored {
    /// Reads a file's text.
    ///
    /// # Errors
    /// If it has what is not understood.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .trim_start_matches('\u{feff}')
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::trim)
            .filter(|line| !line.is_empty());
        lines.map(Line::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a file or directory, by its path from where the image is built, is left out.
    pub(super) fn has(&self, path: &Path) -> bool {
        let names: Vec<String> = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                _ => None,
            })
            .collect();
        let fits = |line: &&Line| (1..=names.len()).any(|end| fits(&line.names, &names[..end]));
        let last = self.0.iter().rev().find(fits);
        last.is_some_and(|line| !line.is_exception)
    }

    /// Whether something may be in although its directory is left out.
    pub(super) fn has_exceptions(&self) -> bool {
        self.0.iter().any(|line| line.is_exception)
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, String> {
        if line.contains(['[', '\\']) {
            return Err(format!(
                "`{line}` in .dockerignore has a class or an escape, which are not understood here; write it with `*` and `?`"
            ));
        }
        let pattern = line.strip_prefix('!');
        let mut names: Vec<String> = Vec::new();
        for name in pattern.unwrap_or(line).trim().split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name.to_owned()),
            }
        }
        Ok(Self {
            is_exception: pattern.is_some(),
            names,
        })
    }
}

fn fits(pattern: &[String], names: &[String]) -> bool {
    match (pattern.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            // All below a directory, but not the directory itself.
            let least = usize::from(rest.is_empty());
            (least..=names.len()).any(|skipped| fits(rest, &names[skipped..]))
        }
        (Some((first, rest)), Some((name, more))) => {
            fits_name(first.as_bytes(), name.as_bytes()) && fits(rest, more)
        }
        _ => false,
    }
}

fn fits_name(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=name.len()).any(|skipped| fits_name(rest, &name[skipped..]))
        }
        (Some((b'?', rest)), Some((first, _))) => {
            // One character, however many bytes it has.
            let length = match first {
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xff => 4,
                _ => 1,
            };
            fits_name(rest, name.get(length..).unwrap_or_default())
        }
        (Some((wanted, rest)), Some((first, more))) => wanted == first && fits_name(rest, more),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(text: &str, paths: &[&'static str]) -> Vec<&'static str> {
        let ignored = Ignored::parse(text).unwrap();
        let paths = paths.iter().copied();
        paths.filter(|path| ignored.has(Path::new(path))).collect()
    }

    #[test]
    fn what_a_line_fits_is_left_out_with_all_below() {
        let paths = ["target", "target/a/b", "src/target", "src/a.log", "a.log"];
        assert_eq!(left_out("target\n", &paths), ["target", "target/a/b"]);
        assert_eq!(left_out("/target/", &paths), ["target", "target/a/b"]);
        assert_eq!(left_out("*.log", &paths), ["a.log"]);
        assert_eq!(left_out("**/*.log", &paths), ["src/a.log", "a.log"]);
        assert_eq!(left_out("*/target", &paths), ["src/target"]);
        assert_eq!(left_out("# a.log\n\n./x/../a.lo?", &paths), ["a.log"]);
        assert_eq!(left_out("src/**", &paths), ["src/target", "src/a.log"]);
        assert_eq!(left_out("?.log", &["ö.log", "oo.log"]), ["ö.log"]);
    }

    #[test]
    fn the_last_line_that_fits_holds() {
        let paths = ["a.md", "README.md", "docs/README.md"];
        assert_eq!(
            left_out("*.md\n!README.md", &paths),
            ["a.md"],
            "an exception"
        );
        assert_eq!(left_out("!README.md\n*.md", &paths), ["a.md", "README.md"]);
        assert_eq!(left_out("docs\n!docs/README.md", &paths), [""; 0]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for line in ["[a-z].txt", "a\\*"] {
            assert!(Ignored::parse(line).unwrap_err().contains(line));
        }
    }
}
