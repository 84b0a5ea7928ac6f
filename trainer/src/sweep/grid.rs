//! The points of a sweep: every combination of the values of its axes.

use crate::config::Config;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::str::FromStr;

/// Most points of a sweep: more is a mistake in a list of values.
pub const MOST: usize = 10_000;

/// A setting and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// As an option of `spikelet train`, without its dashes: `lr`.
    pub setting: String,
    /// As on the command line; `true` and `false` for an option without a value.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    /// `lr=0.001,0.002`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (setting, values) =
            text.split_once('=').ok_or("write a setting and its values like lr=0.001,0.002")?;
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        Self { setting: setting.trim().trim_start_matches('-').to_owned(), values }.checked()
    }
}

impl Axis {
    fn checked(self) -> Result<Self, String> {
        let name = &self.setting;
        match name.as_str() {
            "" => return Err("write a setting and its values like lr=0.001,0.002".to_owned()),
            "seed" => return Err("seeds are not varied like other settings: use --seeds".to_owned()),
            "config" => return Err("a whole config file is no value: vary the settings in it".to_owned()),
            _ => {}
        }
        if self.values.iter().any(String::is_empty) {
            return Err(format!("{name} has an empty value"));
        }
        let mut sorted = self.values.clone();
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("{name} has the value {} twice", pair[0])),
            None => Ok(self),
        }
    }

    /// The axes in a JSON file like `{"lr": [0.001, 0.002], "layers": ["784-100", "784-512-100"]}`, in the order of their
    /// names.
    ///
    /// # Errors
    /// One sentence if the file is not there, or is no such file.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let form = || {
            format!(
                "{} is no grid: write an object with a list of values per setting, like {{\"lr\": [0.001, 0.002]}}",
                path.display()
            )
        };
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text).with_context(form)?;
        let axis = |(setting, values): (String, serde_json::Value)| {
            let Some(values) = values.as_array().filter(|values| !values.is_empty()) else { bail!(form()) };
            let word = |value: &serde_json::Value| match value {
                serde_json::Value::String(text) => Ok(text.clone()),
                serde_json::Value::Number(_) | serde_json::Value::Bool(_) => Ok(value.to_string()),
                _ => bail!(form()),
            };
            let values = values.iter().map(word).collect::<Result<_>>()?;
            Self { setting, values }.checked().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))
        };
        object.into_iter().map(axis).collect()
    }
}

/// One combination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Settings and values, in the order of the axes.
    pub values: Vec<(String, String)>,
    /// All that defines its runs but for the seed.
    pub config: Config,
}

impl Point {
    /// Like `lr=0.001 layers=784-100`.
    pub fn name(&self) -> String {
        if self.values.is_empty() {
            return "base".to_owned();
        }
        let words = self.values.iter().map(|(setting, value)| format!("{setting}={value}"));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Its folder's name: that of the point, with `_` for what is no part of names everywhere.
    pub fn folder(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || "-=.".contains(c) { c } else { '_' };
        self.name().chars().map(safe).collect()
    }
}

/// Every combination of values, the last axis fastest; `config` makes the config of one.
///
/// # Errors
/// If two axes are of one setting, there are more than [`MOST`] points, two would share a folder, or `config` fails.
pub fn points(
    axes: &[Axis],
    mut config: impl FnMut(&[(String, String)]) -> Result<Config>,
) -> Result<Vec<Point>> {
    let mut combinations: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for (index, Axis { setting, values }) in axes.iter().enumerate() {
        ensure!(axes[..index].iter().all(|axis| axis.setting != *setting), "{setting} is varied twice");
        ensure!(
            combinations.len() * values.len() <= MOST,
            "the sweep has more than {MOST} points: vary fewer settings at once"
        );
        let extend = |point: &Vec<(String, String)>| {
            let point = point.clone();
            values.iter().map(move |value| [point.clone(), vec![(setting.clone(), value.clone())]].concat())
        };
        combinations = combinations.iter().flat_map(extend).collect();
    }
    let mut points: Vec<Point> = Vec::new();
    for values in combinations {
        let point = Point { config: config(&values)?, values };
        let folder = point.folder();
        if let Some(other) = points.iter().find(|other| other.folder() == folder) {
            bail!("{} and {} would share the folder {folder}: sweep them apart", other.name(), point.name());
        }
        points.push(point);
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(text: &str) -> Axis {
        text.parse().unwrap()
    }

    #[test]
    fn every_combination_is_a_point() {
        let axes = [axis("lr=0.1,0.2"), axis("layers=784-10,784-20,784-30")];
        let points = points(&axes, |_| Ok(Config::default())).unwrap();
        let names: Vec<String> = points.iter().map(Point::name).collect();
        assert_eq!(names.len(), 6);
        assert_eq!(names[1], "lr=0.1 layers=784-20");
        assert_eq!(points[3].folder(), "lr=0.2_layers=784-10");
        let alone = super::points(&[], |_| Ok(Config::default())).unwrap();
        assert_eq!((alone.len(), alone[0].folder().as_str()), (1, "base"));
    }

    #[test]
    fn what_is_no_grid_has_a_sentence() {
        let error = |text: &str| text.parse::<Axis>().unwrap_err();
        assert!(error("lr").contains("lr=0.001,0.002"));
        assert!(error("seed=1,2").contains("--seeds"));
        assert!(error("lr=1,,2").contains("empty value"));
        assert!(error("lr=1,2,1").contains("1 twice"));
        let config = |_: &[(String, String)]| Ok(Config::default());
        let twice = points(&[axis("lr=1"), axis("lr=2")], config).unwrap_err();
        assert_eq!(twice.to_string(), "lr is varied twice");
        let values: Vec<String> = (0..200).map(|k| k.to_string()).collect();
        let long = |name: &str| axis(&format!("{name}={}", values.join(",")));
        assert!(
            points(&[long("lr"), long("steps")], config).unwrap_err().to_string().contains("10000 points")
        );
        let shared = points(&[axis("dataset=images:a/b,images:a_b")], config).unwrap_err().to_string();
        assert!(shared.contains("would share the folder dataset=images_a_b"), "{shared}");
    }
}
