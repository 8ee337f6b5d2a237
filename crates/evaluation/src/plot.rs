//! An evaluation as a plot: the share of campaigns found by the minutes since they began, a panel a scheme.
//!
//! It is plain SVG of our own making: lines, steps and text. A plotting library would be a dependency for what is some
//! two hundred lines, and its bytes would change with its version.

use std::fmt::Write as _;

use crate::report::{Detections, GroupReport, Report};
use crate::table::minutes;

const WIDTH: f64 = 960.0;
const PANEL_WIDTH: f64 = 464.0;
/// Of a panel: above the axes for its title, and beside them for their labels.
const TOP: f64 = 38.0;
const LEFT: f64 = 46.0;
const AXES_WIDTH: f64 = 396.0;
const AXES_HEIGHT: f64 = 150.0;
/// Under the axes, for ticks and the axis title.
const TICKS: f64 = 46.0;
const LINE: f64 = 15.0;
const MARGIN: f64 = 14.0;
/// The head of the drawing.
const HEAD: f64 = 58.0;
/// The axis begins here: a record within the first half minute is at its edge.
const FIRST_MINUTE: f64 = 0.5;
/// Ends of the time axis, and ticks on it, in minutes.
const TICK_MINUTES: [(f64, &str); 13] = [
    (1.0, "1 min"),
    (2.0, "2"),
    (5.0, "5"),
    (10.0, "10"),
    (20.0, "20"),
    (60.0, "1 h"),
    (120.0, "2 h"),
    (360.0, "6 h"),
    (720.0, "12 h"),
    (1_440.0, "1 d"),
    (2_880.0, "2 d"),
    (10_080.0, "7 d"),
    (43_200.0, "30 d"),
];

const STYLE: &str = "\
.page{fill:#ffffff}.ink{fill:#1f2328}.soft{fill:#59636e}.grid{stroke:#d1d9e0;stroke-width:1}\
.curve{fill:none;stroke-width:2.2;stroke-linejoin:round}.caller{stroke:#0969da}.callee{stroke:#bc4c00}\
.weak{stroke-dasharray:5 4}\
text{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:11px}\
.title{font-size:16px;font-weight:600}.scheme{font-size:13px;font-weight:600}\
.rule{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:10px}\
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#f0f6fc}.soft{fill:#9198a1}.grid{stroke:#3d444d}\
.caller{stroke:#4493f8}.callee{stroke:#f0883e}}";

/// Draws the rules that the calibration sets would choose, on the held-out sets. The bytes depend on the report alone.
pub fn plot(report: &Report) -> String {
    let panels = panels(report);
    let legend_lines = panels.iter().map(|panel| panel.legend.len()).max().unwrap_or(0);
    let panel_height = TOP + AXES_HEIGHT + TICKS + legend_lines as f64 * LINE + MARGIN;
    let rows = panels.len().div_ceil(2);
    let height = HEAD + rows as f64 * panel_height + MARGIN;
    let longest = panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.detections.minutes);
    let longest = longest.copied().fold(60.0, f64::max);
    let axis =
        Axis { end: TICK_MINUTES.iter().map(|(minute, _)| *minute).find(|end| *end >= longest).unwrap_or(longest) };

    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-labelledby=\"title description\">\n<title id=\"title\">How soon campaigns of fraud stand out\
         </title>\n<desc id=\"description\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"8\"/>\n",
        escaped(&description(&panels)),
    );
    text(&mut svg, 18.0, 28.0, "title ink", "How soon campaigns stand out");
    let sets: Vec<_> = report.held_out.iter().map(|set| set.name.as_str()).collect();
    let caption = format!(
        "Share of held-out campaigns found by the rule chosen on other ones. Measured on {}.",
        if report.are_halves { "the held-out half".to_owned() } else { sets.join(", ") }
    );
    text(&mut svg, 18.0, 46.0, "soft", &caption);
    for (place, panel) in panels.iter().enumerate() {
        let (column, row) = (place % 2, place / 2);
        let x = MARGIN + column as f64 * (PANEL_WIDTH + 4.0);
        draw(&mut svg, panel, &axis, x, HEAD + row as f64 * panel_height);
    }
    svg.push_str("</svg>\n");
    svg
}

/// One scheme.
struct Panel<'a> {
    scheme: &'a str,
    curves: Vec<Curve<'a>>,
    /// Lines of text with the curve that a line is drawn of, if it is.
    legend: Vec<(Option<&'static str>, String)>,
}

struct Curve<'a> {
    class: &'static str,
    detections: &'a Detections,
}

fn panels(report: &Report) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for group in &report.groups {
        if panels.last().is_none_or(|panel| panel.scheme != group.scheme) {
            panels.push(panel_of(&report.groups, &group.scheme));
        }
    }
    panels
}

fn panel_of<'a>(groups: &'a [GroupReport], scheme: &'a str) -> Panel<'a> {
    let mut panel = Panel { scheme, curves: Vec::new(), legend: Vec::new() };
    for group in groups.iter().filter(|group| group.scheme == scheme) {
        let Some(rule) = group.chosen().filter(|rule| rule.held_out.campaigns.campaigns > 0) else { continue };
        let held_out = &rule.held_out;
        let is_caller = group.role == "caller";
        let mut add = |class, detections, of: &str| {
            panel.curves.push(Curve { class, detections });
            panel.legend.push((Some(class), format!("{}s{of}: {}", group.role, told(detections))));
        };
        let (solid, dashed) = if is_caller { ("caller", "caller weak") } else { ("callee", "callee weak") };
        match (&held_out.strong, &held_out.weak) {
            (Some(strong), Some(weak)) => {
                add(solid, strong, ", plain campaigns");
                add(dashed, weak, ", weak campaigns");
            }
            _ => add(solid, &held_out.campaigns, ""),
        }
        let mut conditions = rule.rule.split(" and ");
        panel.legend.extend(conditions.next().map(|first| (None, first.to_owned())));
        panel.legend.extend(conditions.map(|next| (None, format!("and {next}"))));
    }
    panel
}

fn told(detections: &Detections) -> String {
    let Detections { campaigns, found, median_minutes, .. } = detections;
    let median = median_minutes.map(|median| format!(", median {} min", minutes(Some(median))));
    format!("{found} of {campaigns} found{}", median.unwrap_or_default())
}

fn description(panels: &[Panel<'_>]) -> String {
    let of_panel = |panel: &Panel<'_>| {
        let lines: Vec<_> = panel.legend.iter().map(|(_, line)| line.as_str()).collect();
        format!("{}: {}.", panel.scheme, lines.join(", "))
    };
    panels.iter().map(of_panel).collect::<Vec<_>>().join(" ")
}

/// Time, on a logarithmic scale.
struct Axis {
    end: f64,
}

impl Axis {
    fn x(&self, minutes: f64) -> f64 {
        let place = (minutes.max(FIRST_MINUTE) / FIRST_MINUTE).log10() / (self.end / FIRST_MINUTE).log10();
        place.min(1.0) * AXES_WIDTH
    }
}

fn draw(svg: &mut String, panel: &Panel<'_>, axis: &Axis, x: f64, y: f64) {
    let (left, top) = (x + LEFT, y + TOP);
    let (right, bottom) = (left + AXES_WIDTH, top + AXES_HEIGHT);
    text(svg, left, top - 12.0, "scheme ink", panel.scheme);
    for share in [0, 25, 50, 75, 100] {
        let at = bottom - AXES_HEIGHT * f64::from(share) / 100.0;
        let _ =
            writeln!(svg, "<line class=\"grid\" x1=\"{left:.1}\" y1=\"{at:.1}\" x2=\"{right:.1}\" y2=\"{at:.1}\"/>");
        anchored(svg, left - 6.0, at + 4.0, "end", &format!("{share} %"));
    }
    let mut last_label = f64::NEG_INFINITY;
    for (minute, label) in TICK_MINUTES.iter().filter(|(minute, _)| *minute <= axis.end) {
        let at = left + axis.x(*minute);
        let _ =
            writeln!(svg, "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{top:.1}\" x2=\"{at:.1}\" y2=\"{bottom:.1}\"/>");
        if at - last_label > 26.0 {
            anchored(svg, at, bottom + 15.0, "middle", label);
            last_label = at;
        }
    }
    anchored(svg, left + AXES_WIDTH / 2.0, bottom + 31.0, "middle", "time since the campaign began (logarithmic)");
    for curve in &panel.curves {
        let path = steps(curve.detections, axis, left, bottom);
        let _ = writeln!(svg, "<path class=\"curve {}\" d=\"{path}\"/>", curve.class);
    }
    if panel.curves.is_empty() {
        text(svg, left + 12.0, top + AXES_HEIGHT / 2.0, "soft", "no rule was chosen, or no campaign is held out");
    }
    for (place, (class, line)) in panel.legend.iter().enumerate() {
        let at = bottom + TICKS + place as f64 * LINE;
        match class {
            Some(class) => {
                let (from, to, middle) = (left, left + 24.0, at - 4.0);
                let _ = writeln!(svg, "<path class=\"curve {class}\" d=\"M{from:.1} {middle:.1}H{to:.1}\"/>");
                text(svg, left + 32.0, at, "ink", line);
            }
            None => text(svg, left + 32.0, at, "rule soft", line),
        }
    }
}

/// A curve that rises by a campaign at each minute at which one was found.
fn steps(detections: &Detections, axis: &Axis, left: f64, bottom: f64) -> String {
    let height = |found: usize| bottom - AXES_HEIGHT * found as f64 / detections.campaigns.max(1) as f64;
    let mut path = format!("M{left:.1} {bottom:.1}");
    for (before, minutes) in detections.minutes.iter().enumerate() {
        let _ = write!(path, "H{:.1}V{:.1}", left + axis.x(*minutes), height(before + 1));
    }
    let _ = write!(path, "H{:.1}", left + AXES_WIDTH);
    path
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, content: &str) {
    let _ = writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(content));
}

fn anchored(svg: &mut String, x: f64, y: f64, anchor: &str, content: &str) {
    let content = escaped(content);
    let _ = writeln!(svg, "<text class=\"soft\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
