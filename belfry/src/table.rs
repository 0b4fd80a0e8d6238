//! Tables for people.

use std::fmt::Write as _;

/// The longest cell, in characters; what is longer ends in an ellipsis.
const WIDEST: usize = 60;

/// Rows under their headings, columns aligned.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let cells = |row: &[String]| row.iter().map(|cell| shorten(cell)).collect::<Vec<_>>();
    let head: Vec<String> = headings
        .iter()
        .map(|heading| heading.to_uppercase())
        .collect();
    let lines: Vec<Vec<String>> = std::iter::once(head)
        .chain(rows.iter().map(|row| cells(row)))
        .collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut out = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            write!(out, "{cell:<width$}  ").expect("writing to a string");
        }
        text.push_str(out.trim_end());
        text.push('\n');
    }
    text
}

fn shorten(cell: &str) -> String {
    let line = cell.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= WIDEST {
        return line;
    }
    line.chars().take(WIDEST - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_long_cells_are_cut() {
        let rows = [
            vec!["a".into(), "x".repeat(99)],
            vec!["longer".into(), "y\nz".into()],
        ];
        let text = table(&["name", "what"], &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "NAME    WHAT");
        assert!(lines[1].ends_with('…') && lines[1].chars().count() == 8 + WIDEST);
        assert_eq!(lines[2], "longer  y z");
    }
}
