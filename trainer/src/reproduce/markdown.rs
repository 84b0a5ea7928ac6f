//! Results as Markdown.

use super::neuron::Finding;
use super::plan::{Item, TABLE_1_COLUMNS};
use super::table::Table;
use std::fmt::Write as _;

/// The findings as a list.
pub fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.holds { "holds" } else { "does not hold" };
        format!("- {}: {mark}\n", finding.statement)
    };
    findings.iter().map(line).collect()
}

/// An item's table, what is missing in it, and what came of it.
pub fn table(table: &Table, item: Item, has_figure: bool) -> String {
    let mut text = format!("# {}\n\n`{}`: {}.\n\n", table.item, table.command, table.schedule);
    if table.seeds > 1 {
        text += "Mean ± standard deviation over seeds.\n\n";
    }
    if item == Item::Table1 {
        text += &papers_layout(table);
    }
    let heading = Table::HEADING;
    let _ = writeln!(text, "| {} |\n|{}", heading.join(" | "), "---|".repeat(heading.len()));
    for cells in table.cells() {
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    let mut subsets: Vec<_> =
        table.rows.iter().filter_map(|row| Some((dataset(&row.name), row.subset.as_ref()?))).collect();
    subsets.dedup();
    for (name, subset) in subsets {
        let _ = writeln!(text, "\nThe data of {name} are {subset}; the paper's are all of them.");
    }
    if has_figure {
        text += "\n![figure](figure.svg)\n\nThe figure's numbers are in [figure.csv](figure.csv).\n";
    }
    if !table.findings.is_empty() {
        let _ =
            write!(text, "\nWhat the paper says of it, with our numbers:\n\n{}", findings(&table.findings));
    }
    text += &missing(table);
    if !table.failures.is_empty() {
        text.push_str("\nFailed:\n\n");
        for failure in &table.failures {
            let _ = writeln!(text, "- {failure}");
        }
    }
    text
}

fn dataset(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Table 1 as the paper prints it, each of our means above the paper's in brackets.
fn papers_layout(table: &Table) -> String {
    let titles = TABLE_1_COLUMNS.map(|(_, title)| title);
    let mut text = format!(
        "Test accuracy in %, and the paper's in brackets:\n\n| layers | neuron | {} |\n",
        titles.join(" | ")
    );
    let _ = writeln!(text, "|{}", "---|".repeat(titles.len() + 2));
    for layers in [1, 2, 3, 5] {
        for cell in ["src", "lif"] {
            let _ = write!(text, "| {layers} | {} |", cell.to_uppercase());
            for (start, _) in TABLE_1_COLUMNS {
                let name = format!("{start}/{cell}/{layers}");
                let row = table.rows.iter().find(|row| row.name == name);
                let ours = row.map_or("–".to_owned(), |row| row.words(row.accuracy, 2));
                let paper =
                    row.and_then(|row| row.paper).map_or("–".to_owned(), |paper| format!("{paper:.2}"));
                let _ = write!(text, " {ours} ({paper}) |");
            }
            text.push('\n');
        }
    }
    text.push('\n');
    text
}

/// The runs that are not finished, a line per network.
fn missing(table: &Table) -> String {
    let mut text = String::new();
    for row in table.rows.iter().filter(|row| !row.missing.is_empty()) {
        let seeds = row.missing.iter().map(|run| match run.epochs {
            0 => run.seed.to_string(),
            epochs => format!("{} (epoch {epochs} of {})", run.seed, row.epochs),
        });
        let seeds: Vec<_> = seeds.collect();
        let _ = writeln!(
            text,
            "- {}: {} {}",
            row.name,
            if seeds.len() == 1 { "seed" } else { "seeds" },
            seeds.join(", ")
        );
    }
    if text.is_empty() { text } else { format!("\nNot trained yet:\n\n{text}") }
}
