//! An earlier table beside a new one.

use super::Bench;
use serde::Serialize;

/// A row of both tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// What was measured.
    pub name: String,
    /// In which unit.
    pub unit: String,
    /// Earlier; `None` if the earlier table has no such row.
    pub old: Option<f64>,
    /// Now; `None` if the new table has no such row.
    pub new: Option<f64>,
    /// New divided by old.
    pub ratio: Option<f64>,
}

/// A bench and how it compares.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The new table, whole.
    #[serde(flatten)]
    pub bench: Bench,
    /// Its rows beside those of the earlier one.
    pub compared: Vec<Pair>,
    /// What differs between the two but for the numbers: ratios are then of two things.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Of `bench` with an `earlier` one of its kind.
    pub fn new(earlier: &Bench, bench: Bench) -> Self {
        let (old, new) = (rows(earlier), rows(&bench));
        let mut compared: Vec<Pair> = Vec::new();
        let value = |rows: &[Row], row: &Row| rows.iter().find(|other| other.0 == row.0).map(|row| row.2);
        for row in new.iter().chain(old.iter().filter(|row| value(&new, row).is_none())) {
            let (old, new) = (value(&old, row), value(&new, row));
            let ratio = old.zip(new).and_then(|(old, new)| (old != 0.0).then(|| new / old));
            compared.push(Pair { name: row.0.clone(), unit: row.1.clone(), old, new, ratio });
        }
        let differences = differences(earlier, &bench);
        Self { bench, compared, differences }
    }
}

/// Name, unit and value.
type Row = (String, String, f64);

fn rows(bench: &Bench) -> Vec<Row> {
    let figures = bench.figures.iter().map(|figure| (figure.name.clone(), figure.unit.clone(), figure.value));
    let stages = bench.stages.iter().map(|stage| (stage.name.clone(), "ms".to_owned(), stage.milliseconds));
    let machine = [
        ("machine: multiply-adds", "GFLOP/s", bench.machine.gflops),
        ("machine: triad", "GB/s", bench.machine.gigabytes_per_second),
    ];
    let machine = machine.map(|(name, unit, value)| (name.to_owned(), unit.to_owned(), value));
    figures.chain(stages).chain(machine).collect()
}

fn differences(old: &Bench, new: &Bench) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |name: &str, old: &str, new: &str| {
        if old != new {
            found.push(format!("{name}: {old} before, {new} now"));
        }
    };
    compare("version", &old.version, &new.version);
    compare("threads", &old.machine.threads.to_string(), &new.machine.threads.to_string());
    compare("instructions", old.machine.simd.name(), new.machine.simd.name());
    for name in ["network", "data", "model"] {
        let of = |bench: &Bench| {
            bench.setting.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
        };
        compare(name, &of(old).unwrap_or_default(), &of(new).unwrap_or_default());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::machine::Machine;
    use super::super::{Figure, Kind, StageFigure};
    use super::*;
    use crate::kernel::simd::Simd;

    fn bench(speed: f64, stage: &str) -> Bench {
        let stage = StageFigure {
            name: stage.to_owned(),
            share: 1.0,
            milliseconds: 2.0,
            gflops: None,
            gigabytes_per_second: None,
        };
        Bench {
            bench: Kind::Train,
            version: "1".to_owned(),
            setting: vec![("network".to_owned(), format!("784-{stage}", stage = stage.name))],
            machine: Machine { threads: 2, simd: Simd::Scalar, gflops: 10.0, gigabytes_per_second: 5.0 },
            figures: vec![Figure::new("speed", speed, "samples/s")],
            stages: vec![stage],
        }
    }

    #[test]
    fn rows_of_either_table_are_there() {
        let Comparison { compared, differences, .. } =
            Comparison::new(&bench(100.0, "old"), bench(150.0, "new"));
        let row = |name: &str| compared.iter().find(|pair| pair.name == name).unwrap();
        assert_eq!(
            (row("speed").old, row("speed").new, row("speed").ratio),
            (Some(100.0), Some(150.0), Some(1.5))
        );
        assert_eq!((row("old").new, row("new").old, row("new").ratio), (None, None, None));
        assert_eq!(row("machine: triad").ratio, Some(1.0));
        assert_eq!(differences, ["network: 784-old before, 784-new now"]);
    }
}
