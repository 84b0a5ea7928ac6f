//! Whatever a JSON object says, as rows for people: what is added to it later is shown too.

use crate::cli::show::{grouped, percent};
use serde_json::Value;

/// A table with a heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Above it.
    pub title: String,
    /// Its columns.
    pub heading: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// Names and values, and tables of what comes several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Names and values.
    pub rows: Vec<(String, String)>,
    /// Lists of objects.
    pub tables: Vec<Table>,
}

/// Keys in the order in which people want them, and in more words; any other comes behind them.
const WORDS: [(&str, &str); 31] = [
    ("board", "board"),
    ("file", "file"),
    ("id", "model"),
    ("format", "version of the format"),
    ("samples", "samples"),
    ("float_accuracy", "accuracy in float"),
    ("fixed_accuracy", "accuracy of the model"),
    ("test_samples", "test samples"),
    ("device_accuracy", "accuracy on the board"),
    ("host_accuracy", "accuracy on the host"),
    ("equal", "samples equal to the host in every bit"),
    ("bytes", "flash, B"),
    ("state_ram", "RAM for states, spikes and scores, B"),
    ("input_ram", "RAM for an image and its spikes, B"),
    ("most_synaptic_operations", "synaptic operations in a timestep, at most"),
    ("instructions_per_step", "instructions per timestep (not cycles)"),
    ("encoding_per_step", "… and for encoding the pixels"),
    ("flash", "flash of the program with its model, B"),
    ("flash_beside_weights", "flash beside the weights, B"),
    ("ram", "RAM for variables, B"),
    ("stack", "RAM for the stack, B"),
    ("per_synaptic_operation", "instructions per synaptic operation"),
    ("per_neuron", "instructions per neuron"),
    ("seconds", "seconds of the emulation"),
    ("cell", "cell"),
    ("inputs", "inputs"),
    ("neurons", "neurons"),
    ("bits", "bits of a weight"),
    ("zero_weights", "weights of 0"),
    ("bias_least", "smallest b_h"),
    ("bias_most", "largest b_h"),
];

impl Facts {
    /// The facts of an object; those of objects in it are its own, with the key in front where `path` is wanted.
    pub fn of(value: &Value, path: bool) -> Self {
        let mut facts = Self::default();
        facts.add("", value, path);
        if !path {
            let place =
                |name: &String| WORDS.iter().position(|(_, words)| words == name).unwrap_or(WORDS.len());
            facts.rows.sort_by_key(|(name, _)| place(name));
        }
        facts
    }

    fn add(&mut self, prefix: &str, value: &Value, path: bool) {
        let Some(object) = value.as_object() else { return };
        for (key, value) in object {
            let name = if path { format!("{prefix}{key}") } else { words(key) };
            match value {
                Value::Object(_) => self.add(&format!("{name}."), value, path),
                Value::Array(list) if list.iter().any(Value::is_object) => {
                    self.tables.push(table(&name, list));
                }
                Value::Array(list) => {
                    let items: Vec<String> = list.iter().map(|item| plain(key, item)).collect();
                    let items = if items.is_empty() { "nothing".to_owned() } else { items.join(", ") };
                    self.rows.push((name, items));
                }
                value => self.rows.push((name, plain(key, value))),
            }
        }
    }
}

fn table(title: &str, list: &[Value]) -> Table {
    let mut keys: Vec<&String> = Vec::new();
    for object in list.iter().filter_map(Value::as_object) {
        for key in object.keys().filter(|key| !object[*key].is_object() && !object[*key].is_array()) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    let place = |key: &&String| WORDS.iter().position(|(known, _)| known == *key).unwrap_or(WORDS.len());
    keys.sort_by_key(place);
    let row = |(index, item): (usize, &Value)| {
        let cells = keys.iter().map(|key| item.get(*key).map_or(String::new(), |value| plain(key, value)));
        std::iter::once(index.to_string()).chain(cells).collect()
    };
    Table {
        title: title.to_owned(),
        heading: std::iter::once(String::new()).chain(keys.iter().map(|key| words(key))).collect(),
        rows: list.iter().enumerate().map(row).collect(),
    }
}

fn words(key: &str) -> String {
    let known = WORDS.iter().find(|(name, _)| *name == key);
    known.map_or_else(|| key.replace('_', " "), |(_, words)| (*words).to_owned())
}

/// A value in one piece.
fn plain(key: &str, value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) if key.contains("seed") => whole.to_string(),
            (Some(whole), _) => grouped(whole),
            (None, Some(share)) if key.ends_with("accuracy") => percent(share),
            (None, Some(value)) => short(value),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A number with four significant digits, or as it is if that is short.
pub fn short(value: f64) -> String {
    let whole = value.to_string();
    if whole.len() <= 6 {
        return whole;
    }
    let size = value.abs();
    if size >= 1e4 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", grouped(size.round() as u64));
    }
    if size < 1e-3 {
        return format!("{value:.3e}");
    }
    let digits = (3 - size.log10().floor() as i32).max(0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_become_rows_and_lists_of_them_tables() {
        let value = json!({
            "id": "0a", "bytes": 476608, "float_accuracy": 0.9155, "stale": false, "target": null,
            "costs": {"stack": 4076, "layers": [{"per_neuron": 59.2471, "spikes": 25}]},
            "widths": [784, 10], "learn": [], "rate": 0.000012345678,
        });
        let facts = Facts::of(&value, false);
        let row = |name: &str| &facts.rows.iter().find(|row| row.0 == name).unwrap().1;
        assert_eq!((row("model"), row("flash, B")), (&"0a".to_owned(), &"476,608".to_owned()));
        assert_eq!((row("accuracy in float"), row("stale")), (&"91.55 %".to_owned(), &"no".to_owned()));
        assert_eq!((row("widths"), row("learn")), (&"784, 10".to_owned(), &"nothing".to_owned()));
        assert_eq!((row("target"), row("rate")), (&"none".to_owned(), &"1.235e-5".to_owned()));
        assert_eq!(row("RAM for the stack, B"), "4,076");
        let table = &facts.tables[0];
        assert_eq!(table.heading, ["", "instructions per neuron", "spikes"]);
        assert_eq!(table.rows, [["0", "59.25", "25"]]);
        let with_path = Facts::of(&value, true);
        assert!(with_path.rows.contains(&("costs.stack".to_owned(), "4,076".to_owned())));
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.1, "0.1"),
            (0.0, "0"),
            (98.123456, "98.12"),
            (-123456.789, "-123,457"),
            (0.012345678, "0.01235"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }
}
