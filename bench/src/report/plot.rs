//! The plot: for each size the throughput as bars, and beside it the latencies of the open loop on a logarithmic scale.

use super::sizes;
use crate::body::Size;
use crate::run::Cell;
use crate::target::Target;
use std::fmt::Write;

const WIDTH: f64 = 980.0;
/// Where bars begin: left of it are the receivers' names.
const LEFT: f64 = 176.0;
/// How long the longest bar is.
const BAR: f64 = 270.0;
/// Where the latencies begin and how wide they are.
const DOTS: (f64, f64) = (590.0, 350.0);
const ROW: f64 = 30.0;
const TOP: f64 = 84.0;
const BETWEEN: f64 = 86.0;

/// Light by itself, dark where the reader's pages are; on ground of its own, so that it can be read on any.
const STYLE: &str = "
  .ground { fill: #ffffff; stroke: #d0d7de } text { font: 13px system-ui, sans-serif; fill: #1f2328 } .faint { fill: #59636e }
  .title { font-size: 15px; font-weight: 600 } .line { stroke: #d8dee4 } .bar { fill: #9aa7b4 } .ours { fill: #2f6fde }
  .p50 { fill: #1a7f37 } .p99 { fill: #bf6b00 } .p999 { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #3d444d } text { fill: #e6edf3 } .faint { fill: #9198a1 } .line { stroke: #30363d }
    .bar { fill: #656c76 } .ours { fill: #4c8dff } .p50 { fill: #3fb950 } .p99 { fill: #e3a03f } .p999 { fill: #ff6a69 }
  }";

/// Draws the cells.
pub(super) fn draw(cells: &[Cell]) -> String {
    let mut body = String::new();
    let mut top = TOP;
    for size in sizes(cells) {
        top = panel(&mut body, cells, size, top) + BETWEEN;
    }
    let height = top - BETWEEN + 34.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-label=\"Throughput and latency of webhook receivers\">\n<style>{STYLE}\n</style>\n\
         <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\"/>\n{body}</svg>\n",
        WIDTH - 1.0,
        height - 1.0
    )
}

/// Draws what was measured at one size, from `top` down; returns where it ends.
fn panel(out: &mut String, cells: &[Cell], size: Size, top: f64) -> f64 {
    let of = |open: bool| {
        let mut of: Vec<&Cell> = cells
            .iter()
            .filter(|cell| cell.size == size && cell.rate.is_some() == open)
            .collect();
        of.sort_by_key(|cell| cell.target);
        of
    };
    let (closed, open) = (of(false), of(true));
    let bottom = top + ROW * closed.len().max(open.len()) as f64;
    text(
        out,
        (16.0, top - 46.0),
        "title",
        "start",
        &format!("Bodies of {}", size.label()),
    );
    text(
        out,
        (LEFT, top - 24.0),
        "faint",
        "start",
        "closed loop: requests/s, median, least and most",
    );
    bars(out, &closed, top);
    dots(out, &open, top, bottom);
    bottom + 24.0
}

fn bars(out: &mut String, cells: &[&Cell], top: f64) {
    let most = cells
        .iter()
        .map(|cell| cell.throughput().max)
        .fold(1.0, f64::max);
    for (row, cell) in cells.iter().enumerate() {
        let (y, spread) = (top + ROW * row as f64, cell.throughput());
        let long = |value: f64| BAR * value / most;
        let class = if matches!(cell.target, Target::Belfry | Target::Embedded) {
            "ours"
        } else {
            "bar"
        };
        text(out, (LEFT - 10.0, y + 16.0), "", "end", cell.target.label());
        line(
            out,
            &format!(
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"18\" rx=\"2\"/>",
                y + 3.0,
                long(spread.median).max(1.0)
            ),
        );
        line(
            out,
            &format!(
                "<line stroke=\"#808890\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y2:.1}\" y2=\"{y2:.1}\"/>",
                LEFT + long(spread.min),
                LEFT + long(spread.max),
                y2 = y + 12.0
            ),
        );
        text(
            out,
            (LEFT + long(spread.max) + 8.0, y + 16.0),
            "",
            "start",
            &thousands(spread.median),
        );
    }
}

fn dots(out: &mut String, cells: &[&Cell], top: f64, bottom: f64) {
    let all = cells
        .iter()
        .flat_map(|cell| [cell.latency.p50, cell.latency.p999]);
    let (least, most) = all.fold((f64::MAX, 0.01), |(least, most): (f64, f64), ms| {
        (least.min(ms), most.max(ms))
    });
    if cells.is_empty() {
        return;
    }
    let low = least.max(0.001).log10().floor();
    let high = most.log10().ceil().max(low + 1.0);
    let at = |ms: f64| DOTS.0 + DOTS.1 * (ms.max(0.001).log10() - low) / (high - low);
    for power in low as i32..=high as i32 {
        let (x, label) = (at(10f64.powi(power)), format!("{} ms", 10f64.powi(power)));
        line(
            out,
            &format!(
                "<line class=\"line\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>",
                top - 4.0
            ),
        );
        text(out, (x, bottom + 16.0), "faint", "middle", &label);
    }
    text(
        out,
        (DOTS.0, top - 24.0),
        "faint",
        "start",
        "open loop: latency",
    );
    for (x, (class, name)) in (0..).map(|i| DOTS.0 + 150.0 + 62.0 * f64::from(i)).zip([
        ("p50", "p50"),
        ("p99", "p99"),
        ("p999", "p99.9"),
    ]) {
        circle(out, class, x, top - 28.0);
        text(out, (x + 9.0, top - 24.0), "faint", "start", name);
    }
    for (row, cell) in cells.iter().enumerate() {
        let y = top + ROW * row as f64 + 12.0;
        let (from, to) = (at(cell.latency.p50), at(cell.latency.p999));
        line(
            out,
            &format!(
                "<line class=\"line\" stroke-width=\"2\" x1=\"{from:.1}\" x2=\"{to:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            ),
        );
        for (class, ms) in [
            ("p999", cell.latency.p999),
            ("p99", cell.latency.p99),
            ("p50", cell.latency.p50),
        ] {
            circle(out, class, at(ms), y);
        }
        let rate = cell.rate.map(thousands).unwrap_or_default();
        text(
            out,
            (DOTS.0 - 12.0, y + 4.0),
            "faint",
            "end",
            &format!("{rate}/s"),
        );
    }
}

fn circle(out: &mut String, class: &str, x: f64, y: f64) {
    line(
        out,
        &format!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"/>"),
    );
}

fn text(out: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    line(
        out,
        &format!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        ),
    );
}

fn line(out: &mut String, element: &str) {
    writeln!(out, "{element}").expect("a string takes all");
}

/// A whole number with commas.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::cell;

    #[test]
    fn every_cell_is_drawn_in_its_bounds() {
        let cells = [
            cell(Target::Bare, Size::Small, None, &[12_345.0]),
            cell(Target::Belfry, Size::Small, None, &[12_000.0]),
            cell(Target::Bare, Size::Small, Some(700.0), &[700.0]),
            cell(Target::Belfry, Size::Large, None, &[5_000.0]),
        ];
        let svg = draw(&cells);
        for part in [
            "12,345",
            "12,000",
            "5,000",
            "Bodies of 1 KB",
            "Bodies of 28 KB",
            "700/s",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("class=\"ours\"").count(), 2);
        for x in svg
            .split(" x=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next()?.parse::<f64>().ok())
        {
            assert!((0.0..WIDTH).contains(&x), "{x}");
        }
    }
}
