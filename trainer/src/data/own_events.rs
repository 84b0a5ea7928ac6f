//! Your own recordings of an event camera: files in a folder per class.

use super::classes::{self, Labelled};
use super::recordings::{Event, MOST_INPUTS, Recording, Recordings, Sensor};
use super::{DataError, Dataset, DatasetName, nmnist};
use rayon::prelude::*;
use serde::Deserialize;
use spikelet_runtime::MAX_WIDTH;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// What a recording's file may be called: N-MNIST's format, or a table.
pub const EXTENSIONS: &[&str] = &["bin", "csv"];

/// First line of a table.
const HEADER: &str = "t,x,y,p";

/// `sensor.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SensorFile {
    width: u16,
    height: u16,
    #[serde(default = "two")]
    polarities: u16,
}

const fn two() -> u16 {
    2
}

/// Loads a folder of recordings.
pub fn load(folder: &Path) -> Result<Dataset, DataError> {
    let files = classes::find(folder, EXTENSIONS)?;
    let sensor = match declared(folder)? {
        Some(sensor) => sensor,
        None => found(&[&files.train, &files.test])?,
    };
    let inputs = sensor.inputs();
    if inputs == 0 || inputs > MAX_WIDTH.min(MOST_INPUTS) {
        let Sensor { width, height, polarities } = sensor;
        let problem = format!(
            "is of a sensor of {width} × {height} pixels and {polarities} polarities, but a network takes 1 to {MAX_WIDTH} \
             inputs: cut the recordings or lower their resolution, and give the size in sensor.json"
        );
        return Err(DataError::own(folder, problem));
    }
    Ok(Dataset {
        name: DatasetName::Events(folder.to_owned()),
        classes: files.names.len(),
        class_names: files.names,
        train: read_all(&files.train, sensor)?.into(),
        test: read_all(&files.test, sensor)?.into(),
    })
}

/// The size in `sensor.json`, if there is one.
fn declared(folder: &Path) -> Result<Option<Sensor>, DataError> {
    let path = folder.join("sensor.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DataError::Unreadable { path, error }),
    };
    let SensorFile { width, height, polarities } = serde_json::from_str(&text).map_err(|error| {
        let example = r#"{"width": 34, "height": 34, "polarities": 2}"#;
        DataError::own(&path, format!("is no sensor size ({error}): write it like {example}"))
    })?;
    Ok(Some(Sensor { width: width.into(), height: height.into(), polarities: polarities.into() }))
}

/// The smallest sensor that has room for every event.
fn found(parts: &[&Labelled]) -> Result<Sensor, DataError> {
    let of_file = |path: &Path| -> Result<Sensor, DataError> {
        let mut sensor = Sensor::default();
        for Event { x, y, p, .. } in read(path)? {
            sensor = larger(
                sensor,
                Sensor {
                    width: usize::from(x) + 1,
                    height: usize::from(y) + 1,
                    polarities: usize::from(p) + 1,
                },
            );
        }
        Ok(sensor)
    };
    let files = parts.par_iter().flat_map(|files| files.par_iter());
    files.map(|(path, _)| of_file(path)).try_reduce(Sensor::default, |a, b| Ok(larger(a, b)))
}

fn larger(a: Sensor, b: Sensor) -> Sensor {
    Sensor {
        width: a.width.max(b.width),
        height: a.height.max(b.height),
        polarities: a.polarities.max(b.polarities),
    }
}

fn read_all(files: &Labelled, sensor: Sensor) -> Result<Recordings, DataError> {
    let recordings = files.par_iter().map(|(path, _)| {
        Recording::pack(&read(path)?, sensor)
            .map_err(|problem| DataError::own(path, format!("{problem}: correct it, or remove it")))
    });
    Ok(Recordings {
        sensor,
        recordings: recordings.collect::<Result<_, _>>()?,
        labels: files.iter().map(|(_, label)| *label).collect(),
    })
}

fn read(path: &Path) -> Result<Vec<Event>, DataError> {
    let bytes = fs::read(path).map_err(|error| DataError::Unreadable { path: path.to_owned(), error })?;
    let is_table = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    let events = if is_table { table(&bytes) } else { nmnist::decode(&bytes) };
    events.map_err(|problem| DataError::own(path, format!("{problem}: correct it, or remove it")))
}

/// Reads a table: the header `t,x,y,p`, then a line per event, whole numbers, t in microseconds.
fn table(bytes: &[u8]) -> Result<Vec<Event>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no text".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines();
    let header: String = lines.next().unwrap_or("").to_lowercase().split_whitespace().collect();
    if header != HEADER {
        return Err(format!("begins with \"{}\" instead of the header {HEADER}", shortened(&header)));
    }
    let mut events = Vec::new();
    for (number, line) in (2..).zip(lines) {
        if line.trim().is_empty() {
            continue;
        }
        let event = event(line).ok_or_else(|| {
            format!(
                "has \"{}\" in line {number} instead of four whole numbers {HEADER}, t in microseconds",
                shortened(line)
            )
        })?;
        events.push(event);
    }
    Ok(events)
}

fn event(line: &str) -> Option<Event> {
    let mut fields = line.split(',').map(str::trim);
    let t = fields.next()?.parse().ok()?;
    let mut number = || fields.next()?.parse::<u16>().ok();
    let event = Event { t, x: number()?, y: number()?, p: number()? };
    fields.next().is_none().then_some(event)
}

/// The start of a text, for a sentence.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const A: (&str, &str) = ("train/a/1.csv", "t,x,y,p\n10,0,1,0\n10,4,2,1\n\n99,0,0,0\n");
    const TEST: (&str, &str) = ("test/b/2.csv", "T, X, Y, P\r\n5,3,0,0\r\n");

    #[test]
    fn tables_and_binary_files_load() {
        // Three bytes of text are x 49, y 50 and a polarity of 0, two more the time.
        let folder = folder(&[A, ("train/b/1.bin", "12345"), TEST]);
        let data = load(folder.path()).unwrap();
        let size = |data: &Dataset| (data.train.width(), data.train.height(), data.train.channels());
        assert_eq!(size(&data), (50, 51, 2));
        fs::write(folder.path().join("sensor.json"), r#"{"width": 60, "height": 52}"#).unwrap();
        let data = load(folder.path()).unwrap();
        assert_eq!(size(&data), (60, 52, 2));
        let super::super::Samples::Recordings(train) = &data.train else { panic!("these are recordings") };
        let a = train.labels.iter().position(|&label| label == 0).unwrap();
        let events: Vec<_> = train.recordings[a].events().collect();
        assert_eq!(events, [(60, 0), ((52 + 2) * 60 + 4, 0), (0, 89)]);
    }

    #[test]
    fn bad_files_are_named_with_their_line() {
        let cases: [(&str, &str, &str); 10] = [
            ("train/b/1.csv", "x,y,t,p\n1,1,1,1\n", "begins with \"x,y,t,p\" instead of the header t,x,y,p"),
            ("train/b/1.csv", "t,x,y,p\n1,1,1,1\n1.5,1,1,1\n", "has \"1.5,1,1,1\" in line 3"),
            ("train/b/1.csv", "t,x,y,p\n1,1,1\n", "in line 2"),
            ("train/b/1.csv", "t,x,y,p\n1,1,1,-1\n", "in line 2"),
            ("train/b/1.csv", "t,x,y,p\n1,1,1,1,1\n", "in line 2"),
            ("train/b/1.csv", "t,x,y,p\n", "holds no events"),
            ("train/b/1.csv", "t,x,y,p\n7,1,1,1\n6,1,1,1\n", "times must not run backwards"),
            ("train/b/1.csv", "t,x,y,p\n7,200,99,1\n", "a network takes 1 to 16384 inputs"),
            ("train/b/1.bin", "1234", "ends within an event"),
            ("sensor.json", r#"{"width": 3}"#, "sensor.json is no sensor size"),
        ];
        for (name, text, sentence) in cases {
            let mut files = vec![A, TEST, (name, text)];
            if name == "sensor.json" {
                files.push(("train/b/1.csv", A.1));
            }
            let folder = folder(&files);
            let error = load(folder.path()).unwrap_err().to_string();
            let file = if sentence.contains("a network") { folder.path().to_str().unwrap() } else { name };
            assert!(
                error.contains(file) && error.contains(sentence),
                "{error} should tell: {name} {sentence}"
            );
        }
        let small =
            folder(&[A, TEST, ("train/b/1.csv", A.1), ("sensor.json", r#"{"width": 4, "height": 3}"#)]);
        let error = load(small.path()).unwrap_err().to_string();
        assert!(error.contains("1.csv has event 1 at x 4") && error.contains("sensor of 4 × 3"), "{error}");
    }
}
