//! What every command prints alike: tables for people, or one JSON object.

use super::model::class_accuracy;
use comfy_table::{Table, presets};
use serde::Serialize;

/// Prints `value` as one line of JSON, or what `people` makes of it.
pub fn show<T: Serialize>(json: bool, value: &T, people: impl FnOnce(&T)) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(value)?);
    } else {
        people(value);
    }
    Ok(())
}

/// A table with a heading.
pub fn table(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(heading);
    table.add_rows(rows);
    table
}

/// The same in Markdown.
pub fn markdown(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = table(heading, rows);
    table.load_style(presets::ASCII_MARKDOWN);
    table
}

/// A table of names and values.
pub fn list(rows: impl IntoIterator<Item = (impl Into<String>, String)>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.add_rows(rows.into_iter().map(|(name, value)| vec![name.into(), value]));
    table
}

/// A confusion matrix, one row per true class, and at its end the share of it that is right.
pub fn confusion(matrix: &[Vec<u32>]) -> Table {
    let classes = (0..matrix.len()).map(|class| class.to_string());
    let heading: Vec<String> =
        std::iter::once("true \\ said".to_owned()).chain(classes).chain(["right".to_owned()]).collect();
    let heading: Vec<&str> = heading.iter().map(String::as_str).collect();
    let right = class_accuracy(matrix);
    let row = |(class, counts): (usize, &Vec<u32>)| {
        let count = |count: &u32| {
            if *count == 0 { "·".to_owned() } else { count.to_string() }
        };
        let right = right[class].map_or("·".to_owned(), percent);
        std::iter::once(class.to_string()).chain(counts.iter().map(count)).chain([right]).collect()
    };
    table(&heading, matrix.iter().enumerate().map(row))
}

/// A share as a percentage with two decimals.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Activities, one per layer.
pub fn activity(layers: &[f64]) -> String {
    layers.iter().map(|&share| percent(share)).collect::<Vec<_>>().join(", ")
}

/// A whole number in groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
