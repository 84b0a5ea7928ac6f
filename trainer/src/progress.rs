//! Progress on stderr: bars where a person looks on, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar of `length` units called `unit`, behind `name`; hidden where stderr is no terminal.
pub fn bar(name: &str, length: usize, unit: &str) -> ProgressBar {
    with_template(name, length, &format!("{}  {{msg}}", template(unit)))
}

/// The same with room for a line of words below it.
pub fn bar_above_words(name: &str, length: usize, unit: &str) -> ProgressBar {
    with_template(name, length, &format!("{}\n{{msg}}", template(unit)))
}

fn template(unit: &str) -> String {
    format!("{{prefix}} {{bar:30}} {{pos}}/{{len}} {unit}, {{elapsed}} + {{eta}}")
}

fn with_template(name: &str, length: usize, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    bar.set_style(style);
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Something moving behind `name`, for work of unknown length.
pub fn waiting(name: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix} {spinner} {elapsed}").expect("the template is well formed");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style);
    bar.set_prefix(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A line on stderr, above `bar` where that is shown.
pub fn line(bar: &ProgressBar, text: &str) {
    if bar.is_hidden() {
        eprintln!("{text}");
    } else {
        bar.println(text);
    }
}
