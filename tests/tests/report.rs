//! `spikelet report`: one file with everything in it, as a browser sees it.

use predicates::str::contains;
use scraper::{Html, Selector};
use serde_json::{Value, json};
use spikelet_tests::{small_run, spikelet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

const SECTIONS: [&str; 8] =
    ["summary", "curves", "confusion", "activity", "samples", "mistakes", "costs", "settings"];

/// The small run with a model, the measures of a board, and its report.
fn reported() -> &'static Path {
    static RUN: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, run) = RUN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        fs::create_dir(&run).unwrap();
        for file in fs::read_dir(small_run()).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                fs::copy(&file, run.join(file.file_name().unwrap())).unwrap();
            }
        }
        spikelet().arg("export").arg(&run).assert().success();
        let model = one(&["inspect", run.join("model.spk").to_str().unwrap()]);
        let board = json!({
            "board": "qemu:mps2-an386", "model": model["id"], "samples": 50, "equal": 50,
            "instructions_per_step": 12345.4, "flash": 62345,
            "costs": {"stack": 4076, "layers": [{"spikes": 25, "per_synaptic_operation": 3.34, "per_neuron": 60.02}]},
        });
        fs::write(run.join("board.json"), board.to_string()).unwrap();
        spikelet().arg("report").arg(&run).assert().success().stdout(contains("report.html: test accuracy"));
        (folder, run)
    });
    run
}

fn page(run: &Path) -> String {
    fs::read_to_string(run.join("report.html")).unwrap()
}

/// The one JSON object that a command prints.
fn one(arguments: &[&str]) -> Value {
    let output = spikelet().arg("--json").args(arguments).assert().success();
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

fn count(page: &Html, selector: &str) -> usize {
    page.select(&Selector::parse(selector).unwrap()).count()
}

fn text(page: &Html, selector: &str) -> String {
    page.select(&Selector::parse(selector).unwrap()).flat_map(|element| element.text()).collect()
}

/// Right HTML, every section, and nothing that a browser would fetch.
fn check(html: &str) -> Html {
    let page = Html::parse_document(html);
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    for section in SECTIONS {
        assert_eq!(count(&page, &format!("section#{section} > h2")), 1, "{section}");
        assert_eq!(count(&page, &format!("nav a[href=\"#{section}\"]")), 1, "{section}");
    }
    assert_eq!(count(&page, "meta[name=viewport]"), 1);
    for address in ["http:", "https:", "url(", "@import", "<link", "javascript:"] {
        assert!(!html.contains(address), "{address}");
    }
    for image in page.select(&Selector::parse("[src], [srcset], [data]").unwrap()) {
        assert!(image.attr("src").unwrap().starts_with("data:image/png;base64,"));
    }
    let links = Selector::parse("[href]").unwrap();
    assert!(page.select(&links).all(|link| link.attr("href").unwrap().starts_with('#')));
    let scripts: Vec<_> = page.select(&Selector::parse("script").unwrap()).collect();
    assert_eq!((scripts.len(), scripts[0].attr("type")), (1, Some("application/json")));
    page
}

#[test]
fn everything_about_a_run_is_in_one_file() {
    let run = reported();
    let page = check(&page(run));
    let path = run.to_str().unwrap();
    let evaluated = &one(&["eval", path])["results"][0];
    let accuracy = evaluated["accuracy"].as_f64().unwrap();
    assert!(text(&page, "#summary").contains(&format!("{:.2} % of 2,000 samples", 100.0 * accuracy)));

    // Curves, and the table of both epochs.
    assert_eq!(count(&page, "#curves svg"), 6);
    assert_eq!(count(&page, "#curves tbody tr"), 2);
    // The matrix of eval.
    for (label, row) in evaluated["confusion"].as_array().unwrap().iter().enumerate() {
        let cells = format!("#confusion tbody tr:nth-child({}) td:nth-child({}).hit", label + 1, label + 2);
        assert_eq!(text(&page, &cells), row[label].to_string());
    }
    // Three samples: picture, input, one layer, scores.
    assert_eq!(count(&page, "#samples article"), 3);
    assert_eq!((count(&page, "#samples img"), count(&page, "#samples svg")), (3, 9));
    assert_eq!(count(&page, "#samples svg path"), 6);
    let wrong = (2000.0 * (1.0 - accuracy)).round() as usize;
    assert_eq!(count(&page, "#mistakes figure img"), wrong.min(30));
    assert!(text(&page, "#mistakes").contains(&format!("{wrong} test samples")));
    let costs = text(&page, "#costs");
    let bytes = fs::metadata(run.join("model.spk")).unwrap().len();
    let grouped = format!("{},{:03}", bytes / 1000, bytes % 1000);
    for word in [&*grouped, "RAM for states", "qemu:mps2-an386", "12,345", "3.34", "4,076"] {
        assert!(costs.contains(word), "\"{word}\" is not in {costs}");
    }
    assert!(text(&page, "#settings").contains("cell.src.alpha"));

    let numbers: Value = serde_json::from_str(&text(&page, "script#numbers")).unwrap();
    assert_eq!(numbers["test"]["accuracy"], evaluated["accuracy"]);
    assert_eq!(numbers["epochs"].as_array().unwrap().len(), 2);
}

/// A browser, if there is one.
fn chromium() -> Option<&'static str> {
    let runs = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs);
    if found.is_none() {
        eprintln!("skipped: no chromium, chromium-browser or google-chrome is here");
    }
    found
}

/// On a phone and on a desk: nothing is wider than the window, every section has its place, and the console is silent.
#[test]
fn a_browser_shows_it_without_scrolling_sideways() {
    let Some(browser) = chromium() else { return };
    let page = page(reported());
    let folder = tempfile::tempdir().unwrap();
    // A frame is as narrow as a phone, which a window may not be.
    let script = r"
        const frames = WIDTHS.map(width => {
            const frame = document.createElement('iframe');
            frame.style.cssText = `width:${width}px;height:800px;border:0`;
            frame.srcdoc = PAGE;
            document.body.append(frame);
            return frame;
        });
        addEventListener('load', () => {
            const found = frames.map(frame => {
                const page = frame.contentDocument, root = page.documentElement;
                const wide = [...page.querySelectorAll('body *')].filter(element =>
                    !element.closest('.box, svg') && element.getBoundingClientRect().right > root.clientWidth + 0.5);
                return {
                    scroll: root.scrollWidth, inner: frame.contentWindow.innerWidth,
                    wide: wide.map(element => element.outerHTML.slice(0, 80)),
                    sections: [...page.querySelectorAll('main > section')].filter(section =>
                        section.getBoundingClientRect().height > 40).map(section => section.id),
                    images: [...page.images].every(image => image.complete && image.naturalWidth > 0),
                    svgs: [...page.querySelectorAll('svg')].every(svg => svg.getBoundingClientRect().height > 50),
                    numbers: JSON.parse(page.getElementById('numbers').textContent).test.samples,
                };
            });
            const out = document.createElement('pre');
            out.id = 'found';
            out.textContent = JSON.stringify(found);
            document.body.append(out);
        });";
    let literal = serde_json::to_string(&page).unwrap().replace('<', "\\u003c");
    let script = script.replace("WIDTHS", "[360, 1200]").replace("PAGE", &literal);
    let test = folder.path().join("test.html");
    fs::write(&test, format!("<!doctype html><meta charset=utf-8><body><script>{script}</script>")).unwrap();
    let output = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"])
        .args(["--virtual-time-budget=10000", "--window-size=1300,900"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", test.display()))
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "{console:?}");
    let found = text(&Html::parse_document(&dom), "#found");
    let found: Vec<Value> = serde_json::from_str(&found).unwrap_or_else(|_| panic!("{log}"));
    assert_eq!(found.len(), 2);
    for (frame, width) in found.iter().zip([360, 1200]) {
        assert_eq!(frame["inner"], width);
        assert!(frame["scroll"].as_u64().unwrap() <= width, "{frame}");
        assert_eq!(frame["wide"], json!([]), "{width}");
        assert_eq!(frame["sections"], json!(SECTIONS));
        assert_eq!(
            (&frame["images"], &frame["svgs"], &frame["numbers"]),
            (&json!(true), &json!(true), &json!(2000))
        );
    }
}

#[test]
fn runs_without_epochs_models_and_spikes_have_reports_too() {
    let folder = tempfile::tempdir().unwrap();
    let imported = folder.path().join("imported").display().to_string();
    let file = format!("{}/best.safetensors", small_run());
    spikelet().args(["import", &file, "--steps", "20", "--out", &imported]).assert().success();
    let few = ["--samples", "50", "--examples", "0", "--mistakes", "2"];
    let summary = one(&[&["report", &imported][..], &few].concat());
    assert_eq!(
        (&summary["samples"], &summary["model"], &summary["board"]),
        (&50.into(), &false.into(), &false.into())
    );
    let html = check(&page(Path::new(&imported)));
    assert!(text(&html, "#curves").contains("the network was imported"));
    assert!(text(&html, "#costs").contains("no model.spk"));
    assert_eq!((count(&html, "#samples article"), count(&html, "#mistakes figure")), (0, 2));

    let gru = folder.path().join("gru").display().to_string();
    let small = ["--layers", "784-10", "--steps", "5", "--epochs", "1", "--train-samples", "100"];
    spikelet().args(["train", "--cell", "gru", "--out", &gru]).args(small).assert().success();
    one(&[&["report", &gru][..], &["--samples", "50"]].concat());
    // Input and scores: there are no spikes between them.
    assert_eq!(count(&check(&page(Path::new(&gru))), "#samples svg"), 6);
}

#[test]
fn mistakes_have_a_sentence_and_leave_the_older_report() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.html");
    fs::write(&out, "older").unwrap();
    let bad = folder.path().join("bad.json");
    fs::write(&bad, r#"{"samples": 3}"#).unwrap();
    let bad = bad.to_str().unwrap();
    let refuses = |arguments: &[&str], sentence: &str| {
        let mut command = spikelet();
        command.arg("report").args(arguments).arg("--out").arg(&out);
        command.assert().failure().stderr(contains(sentence));
        assert_eq!(fs::read(&out).unwrap(), b"older");
    };
    refuses(&["nowhere"], "nowhere holds no trained network");
    refuses(&[bad], "bad.json is a file: a report is made of a run's folder");
    refuses(&[small_run(), "--samples", "2001"], "--samples must be 1 to 2000");
    refuses(&[small_run(), "--board", bad], "bad.json holds no measures of a board");
    refuses(&[small_run(), "--board", "none.json"], "cannot read none.json");
    let folder = folder.path().to_str().unwrap();
    spikelet()
        .args(["report", small_run(), "--out", folder])
        .assert()
        .failure()
        .stderr(contains("is a folder"));
}
