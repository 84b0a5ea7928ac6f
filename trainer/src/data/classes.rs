//! Your own files: a folder per class.
//!
//! Either `train/CLASS/FILE` and `test/CLASS/FILE`, or `CLASS/FILE`, of which a fifth of each class is taken for the
//! test, always the same files. Classes are numbered in the order of their names. Files come in a shuffled order, the
//! same each time, so that the first few are of all classes.

use super::DataError;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::fs;
use std::path::{Path, PathBuf};

/// Seed of the split and the order.
const SEED: u64 = 0x5EED;
/// One file of so many is for the test, where the folders do not say.
const TEST_SHARE: usize = 5;
/// Labels are bytes.
const MOST_CLASSES: usize = 256;

/// Files and labels.
pub type Labelled = Vec<(PathBuf, u8)>;

/// The files of a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassFiles {
    /// Names of the classes: those of their folders.
    pub names: Vec<String>,
    /// For training and validation.
    pub train: Labelled,
    /// For the test.
    pub test: Labelled,
}

/// Finds the files with one of the `extensions`, given in lower case.
pub fn find(folder: &Path, extensions: &[&str]) -> Result<ClassFiles, DataError> {
    if !folder.is_dir() {
        let advice = "name a folder that holds a folder for each class".to_owned();
        return Err(DataError::Missing { path: folder.to_owned(), advice });
    }
    let (train, test) = (folder.join("train"), folder.join("test"));
    let split = match (train.is_dir(), test.is_dir()) {
        (true, true) => true,
        (false, false) => false,
        (has_train, _) => {
            let (there, lacking) = if has_train { ("train", "test") } else { ("test", "train") };
            let problem = format!(
                "holds a folder {there} but no folder {lacking}: add it, or move the class folders up to have them split"
            );
            return Err(DataError::own(folder, problem));
        }
    };
    let base = if split { &train } else { folder };
    let names = class_names(base)?;
    check_number(base, names.len(), extensions)?;
    let mut files = ClassFiles { names, train: Vec::new(), test: Vec::new() };
    for (label, name) in (0..=u8::MAX).zip(&files.names) {
        let mut of_class = class_files(&base.join(name), extensions)?;
        if of_class.is_empty() {
            let kinds = extensions.join(" or .");
            return Err(DataError::own(
                &base.join(name),
                format!("holds no .{kinds} file: add some, or remove it"),
            ));
        }
        if !split {
            if of_class.len() < 2 {
                let problem = "holds a single file: add more, so that one can be kept for the test";
                return Err(DataError::own(&base.join(name), problem));
            }
            of_class.shuffle(&mut rng(1 + u64::from(label)));
            let test = of_class.split_off(of_class.len() - (of_class.len() / TEST_SHARE).max(1));
            files.test.extend(test.into_iter().map(|path| (path, label)));
        }
        files.train.extend(of_class.into_iter().map(|path| (path, label)));
    }
    if split {
        for name in class_names(&test)? {
            let Some(label) = files.names.iter().position(|class| *class == name) else {
                let problem = format!("is a class that {} does not have: add it there", train.display());
                return Err(DataError::own(&test.join(name), problem));
            };
            let of_class = class_files(&test.join(name), extensions)?;
            files.test.extend(of_class.into_iter().map(|path| (path, label as u8)));
        }
        if files.test.is_empty() {
            return Err(DataError::own(&test, "holds no samples: add some for each class"));
        }
    }
    files.train.shuffle(&mut rng(0));
    files.test.shuffle(&mut rng(0));
    Ok(files)
}

fn rng(stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(stream);
    rng
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let unreadable = |error| DataError::Unreadable { path: folder.to_owned(), error };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths =
        entries.map(|entry| Ok(entry.map_err(unreadable)?.path())).collect::<Result<Vec<_>, _>>()?;
    // Hidden files are none of the samples: file managers leave such.
    paths.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths)
}

fn class_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let folders = entries(folder)?.into_iter().filter(|path| path.is_dir());
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(folders.filter_map(name).collect())
}

fn check_number(folder: &Path, classes: usize, extensions: &[&str]) -> Result<(), DataError> {
    let kinds = extensions.join(" or .");
    let problem = match classes {
        0 | 1 => format!(
            "holds {} class folders: make a folder for each of two or more classes, with its .{kinds} files in it",
            if classes == 0 { "no" } else { "too few" },
        ),
        2..=MOST_CLASSES => return Ok(()),
        _ => format!("holds {classes} class folders, more than {MOST_CLASSES}: leave some out"),
    };
    Err(DataError::own(folder, problem))
}

fn class_files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    let mut files = entries(folder)?;
    files.retain(|path| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        path.is_file() && extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
    });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn folders_say_what_is_for_the_test() {
        let folder =
            folder(&["train/b/1.png", "train/a/1.PNG", "train/a/x.txt", "test/b/3.png", "train/.git/x.png"]);
        let found = find(folder.path(), &["png"]).unwrap();
        assert_eq!(found.names, ["a", "b"]);
        assert_eq!(found.train.len(), 2);
        assert_eq!(found.test, [(folder.path().join("test/b/3.png"), 1)]);
    }

    #[test]
    fn a_fifth_of_each_class_is_for_the_test_and_always_the_same() {
        let names: Vec<String> = (0..30).map(|k| format!("{}/{k}.csv", ["a", "b", "c"][k % 3])).collect();
        let folder = folder(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let found = find(folder.path(), &["bin", "csv"]).unwrap();
        let of_class = |files: &Labelled, class| files.iter().filter(|(_, label)| *label == class).count();
        for class in 0..3 {
            assert_eq!((of_class(&found.train, class), of_class(&found.test, class)), (8, 2));
        }
        assert!(found.train.iter().all(|file| !found.test.contains(file)));
        assert_eq!(find(folder.path(), &["bin", "csv"]).unwrap(), found);
        let first: std::collections::HashSet<u8> =
            found.train[..12].iter().map(|(_, label)| *label).collect();
        assert_eq!(first.len(), 3, "the first files are not of all classes");
    }

    #[test]
    fn layouts_that_cannot_be_have_a_sentence_each() {
        let cases: [(&[&str], &str); 6] = [
            (&["x.png"], "holds no class folders"),
            (&["a/1.png", "a/2.png"], "holds too few class folders"),
            (&["a/1.png", "a/2.png", "b/1.txt"], "b holds no .png file"),
            (&["a/1.png", "a/2.png", "b/1.png"], "b holds a single file"),
            (&["train/a/1.png", "train/b/1.png"], "but no folder test"),
            (&["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"], "c is a class that"),
        ];
        for (files, sentence) in cases {
            let folder = folder(files);
            let error = find(folder.path(), &["png"]).unwrap_err().to_string();
            assert!(error.contains(sentence), "{error} should tell {sentence}");
        }
        let error = find(Path::new("no/such"), &["png"]).unwrap_err().to_string();
        assert!(error.contains("no/such is missing"), "{error}");
    }
}
