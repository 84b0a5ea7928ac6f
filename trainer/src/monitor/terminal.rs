//! The screen and the keys of a monitor.

use super::{Controls, State, Update, view};
use crate::interrupt;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::io;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// From one drawing to the next.
const FRAME: Duration = Duration::from_millis(33);

/// Puts the terminal back when dropped, however that comes about.
#[derive(Debug)]
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Shows on the screen what comes through `updates`, and steers it by keys, until it has ended or the keys, or a signal, say so.
/// Then the terminal is as it was, also after a panic.
///
/// # Errors
/// If the terminal cannot be used.
pub fn show(state: &mut State, updates: &Receiver<Update>, controls: &Controls) -> io::Result<()> {
    interrupt::stop_on_any_signal()?;
    let _restored = Restored;
    let mut terminal = ratatui::try_init()?;
    let draw =
        |state: &State| terminal.draw(|frame| view::draw(state, frame.area(), frame.buffer_mut())).map(drop);
    follow(state, updates, controls, draw, || {
        if event::poll(FRAME)? { event::read().map(Some) } else { Ok(None) }
    })
}

/// The same on any screen, with events from anywhere: `next_event` waits for one, but not for long.
///
/// # Errors
/// Those of `draw` and `next_event`.
pub fn follow(
    state: &mut State,
    updates: &Receiver<Update>,
    controls: &Controls,
    mut draw: impl FnMut(&State) -> io::Result<()>,
    mut next_event: impl FnMut() -> io::Result<Option<Event>>,
) -> io::Result<()> {
    let start = Instant::now();
    loop {
        let ended = take(state, updates);
        (state.paused, state.pace) = (controls.is_paused(), controls.pace());
        state.pass(start.elapsed());
        draw(state)?;
        if ended || interrupt::is_stopped() {
            return Ok(());
        }
        if let Some(Event::Key(key)) = next_event()?
            && !obey(key, controls)
        {
            return Ok(());
        }
    }
}

/// Takes in what has come; true if nothing more will.
fn take(state: &mut State, updates: &Receiver<Update>) -> bool {
    loop {
        match updates.try_recv() {
            Ok(update) => state.update(update),
            Err(error) => return error == TryRecvError::Disconnected,
        }
    }
}

/// Does what a key says; false if that is to end.
pub fn obey(key: KeyEvent, controls: &Controls) -> bool {
    if key.kind == KeyEventKind::Release {
        return true;
    }
    match key.code {
        // A terminal that is read key by key sends Ctrl-C as one, not as a signal.
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char(' ') => controls.toggle_pause(),
        KeyCode::Char('n') => controls.next(),
        KeyCode::Char('+' | '=') => controls.faster(),
        KeyCode::Char('-') => controls.slower(),
        _ => {}
    }
    true
}
