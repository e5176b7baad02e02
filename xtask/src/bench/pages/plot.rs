//! The figures of a part as bars: a panel for each figure, a bar for each contender.

use plotters::coord::Shift;
use plotters::prelude::{
    BLACK, Color as _, DrawingArea, IntoDrawingArea as _, IntoFont as _, RGBColor, Rectangle, SVGBackend,
    Text, WHITE,
};

use super::section::Section;
use crate::bench::report::Headline;

const WIDTH: u32 = 880;
const BAR: i32 = 18;
const GAP: i32 = 8;
const TITLE: i32 = 34;
/// Names stand in front of the bars, values behind them.
const NAMES: i32 = 180;
const VALUES: i32 = 90;
const THEIRS: RGBColor = RGBColor(150, 158, 170);
const OURS: RGBColor = RGBColor(20, 110, 190);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(super) fn bars(section: &Section) -> anyhow::Result<String> {
    let heights: Vec<i32> = section.headlines.iter().map(height).collect();
    let mut svg = String::new();
    {
        let size = (WIDTH, u32::try_from(heights.iter().sum::<i32>().max(1))?);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&WHITE)?;
        let mut top = 0;
        for (headline, height) in section.headlines.iter().zip(heights) {
            panel(&area, headline, top)?;
            top += height;
        }
        area.present()?;
    }
    Ok(svg)
}

fn height(headline: &Headline) -> i32 {
    let bars = i32::try_from(headline.values.len()).unwrap_or(0);
    TITLE + bars * (BAR + GAP) + GAP
}

fn panel(area: &Area<'_>, headline: &Headline, top: i32) -> anyhow::Result<()> {
    let unit = if headline.unit.is_empty() { String::new() } else { format!(", {}", headline.unit) };
    // Marks of Markdown are none here.
    let title = format!("{}{unit}", headline.what.replace('`', ""));
    area.draw(&Text::new(title, (GAP, top + GAP), ("sans-serif", 18).into_font().color(&BLACK)))?;
    let most = headline.values.iter().filter_map(|(_, value)| *value).fold(0.0, f64::max);
    let mut y = top + TITLE;
    for (name, value) in &headline.values {
        let font = ("sans-serif", 16).into_font();
        area.draw(&Text::new(name.clone(), (GAP, y + 2), font.clone().color(&BLACK)))?;
        let end = NAMES + length(value.unwrap_or(0.0), most);
        let color = if name.starts_with("Plimsoll") { OURS } else { THEIRS };
        area.draw(&Rectangle::new([(NAMES, y), (end, y + BAR)], color.filled()))?;
        let told = value.map_or("could not serve".to_owned(), |value| headline.shown(Some(value)));
        area.draw(&Text::new(told, (end + GAP, y + 2), font.color(&BLACK)))?;
        y += BAR + GAP;
    }
    Ok(())
}

/// At least a line, so that the least is seen to be there.
fn length(value: f64, most: f64) -> i32 {
    let room = f64::from(i32::try_from(WIDTH).unwrap_or(i32::MAX) - NAMES - VALUES - 2 * GAP);
    let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, reason = "between nothing and the width of the picture")]
    let pixels = (room * share).round() as i32;
    pixels.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_bar_fills_the_room_and_the_least_is_seen() {
        assert_eq!(length(8.0, 8.0), 594);
        assert_eq!(length(4.0, 8.0), 297);
        assert_eq!((length(0.0, 8.0), length(0.0, 0.0), length(-1.0, 8.0)), (1, 1, 1));
    }
}
