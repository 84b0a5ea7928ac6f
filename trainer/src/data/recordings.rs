//! Recordings of event cameras, with labels.
//!
//! An event takes four bytes: its input, and the microseconds since the event before it. The whole of N-MNIST, 60,000
//! recordings of 4,000 events each, so takes about 1 GB, a fifth less than its files. Recordings are binned when they are
//! shown, which costs a few microseconds each and lets one copy in memory serve any number of timesteps.

use crate::spike_train::SpikeTrain;

/// An event as files give it: a pixel became brighter or darker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Polarity, below the sensor's number of them.
    pub p: u16,
    /// Time in microseconds, from any origin.
    pub t: u64,
}

/// Size of a sensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sensor {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Polarities: 2, or 1 if they are not told apart.
    pub polarities: usize,
}

impl Sensor {
    /// Number of inputs: one per pixel and polarity.
    pub const fn inputs(&self) -> usize {
        self.width * self.height * self.polarities
    }

    /// Index of an event's input: `(p height + y) width + x`.
    const fn input(&self, event: Event) -> u16 {
        ((event.p as usize * self.height + event.y as usize) * self.width + event.x as usize) as u16
    }
}

/// Longest recording: 2^32 µs, 71 minutes.
pub const LONGEST: u64 = u32::MAX as u64;

/// An entry that stands for no event: 65,535 µs pass.
const PAUSE: u16 = u16::MAX;

/// Most inputs of a sensor; the last index means a pause.
pub const MOST_INPUTS: usize = PAUSE as usize;

/// An event in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    input: u16,
    /// Microseconds since the entry before.
    after: u16,
}

/// One recording, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    entries: Vec<Entry>,
    /// Microseconds from the first to the last event.
    duration: u32,
}

/// Recordings of one sensor, with labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recordings {
    /// Size of the sensor.
    pub sensor: Sensor,
    /// One class per recording.
    pub labels: Vec<u8>,
    /// The recordings.
    pub recordings: Vec<Recording>,
}

impl Recording {
    /// Packs events, which must lie on the sensor.
    ///
    /// # Errors
    /// What is wrong with them, as the end of a sentence about the file: none at all, one outside the sensor, times
    /// running backwards, or more than 2^32 µs.
    pub fn pack(events: &[Event], sensor: Sensor) -> Result<Self, String> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else {
            return Err("holds no events".to_owned());
        };
        let mut entries = Vec::with_capacity(events.len());
        let mut now = first.t;
        for (index, &event) in events.iter().enumerate() {
            let Event { x, y, p, t } = event;
            let Sensor { width, height, polarities } = sensor;
            if usize::from(x) >= width || usize::from(y) >= height || usize::from(p) >= polarities {
                return Err(format!(
                    "has event {index} at x {x}, y {y}, polarity {p}, outside the sensor of {width} × {height} pixels and \
                     {polarities} polarities"
                ));
            }
            if t < now {
                return Err(format!(
                    "has event {index} at {t} µs, before the event in front of it: times must not run backwards"
                ));
            }
            if t - first.t > LONGEST {
                return Err(format!(
                    "lasts longer than {LONGEST} µs: cut it into shorter recordings, and give times in microseconds"
                ));
            }
            let mut gap = t - now;
            while gap > u64::from(u16::MAX) {
                entries.push(Entry { input: PAUSE, after: u16::MAX });
                gap -= u64::from(u16::MAX);
            }
            entries.push(Entry { input: sensor.input(event), after: gap as u16 });
            now = t;
        }
        entries.shrink_to_fit();
        Ok(Self { entries, duration: (last.t - first.t) as u32 })
    }

    /// Microseconds from the first to the last event.
    pub const fn duration(&self) -> u32 {
        self.duration
    }

    /// Input and time of each event, in microseconds since the first one.
    pub fn events(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        let mut now = 0;
        self.entries.iter().filter_map(move |entry| {
            now += u32::from(entry.after);
            (entry.input != PAUSE).then_some((entry.input, now))
        })
    }

    /// Appends the spikes of `steps` timesteps to a train: an input that has several events in a timestep is listed as
    /// many times.
    ///
    /// As Tonic's `ToFrame(n_time_bins = steps)` does: each timestep lasts `duration / steps` microseconds, rounded
    /// down, from the first event on; what lies behind the last timestep is left out.
    pub fn bin(&self, steps: usize, train: &mut SpikeTrain) {
        let window = self.duration as usize / steps;
        let mut events = self.events().peekable();
        for step in 0..steps {
            let start = train.inputs.len();
            while let Some((input, _)) = events.next_if(|&(_, time)| (time as usize) < (step + 1) * window) {
                train.inputs.push(input);
            }
            train.inputs[start..].sort_unstable();
            train.offsets.push(train.inputs.len() as u32);
        }
    }
}

impl Recordings {
    /// Number of recordings.
    pub const fn len(&self) -> usize {
        self.labels.len()
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The first `count` recordings, or all of them if there are fewer.
    pub fn take(&self, count: usize) -> Self {
        let count = count.min(self.len());
        Self {
            sensor: self.sensor,
            labels: self.labels[..count].to_vec(),
            recordings: self.recordings[..count].to_vec(),
        }
    }

    /// Bytes that they take in memory.
    pub fn bytes(&self) -> usize {
        let entries: usize = self.recordings.iter().map(|recording| recording.entries.len()).sum();
        self.labels.len() + size_of::<Recording>() * self.recordings.len() + size_of::<Entry>() * entries
    }

    /// Microseconds of the shortest recording; 0 if there are none.
    pub fn shortest(&self) -> u32 {
        self.recordings.iter().map(Recording::duration).min().unwrap_or(0)
    }

    /// A recording as an image: the events of each pixel, both polarities together, the most being 255.
    pub fn picture(&self, index: usize) -> Vec<u8> {
        let pixels = self.sensor.width * self.sensor.height;
        let mut counts = vec![0u32; pixels];
        self.recordings[index].events().for_each(|(input, _)| counts[usize::from(input) % pixels] += 1);
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        counts.into_iter().map(|count| (u64::from(count) * 255 / u64::from(most)) as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENSOR: Sensor = Sensor { width: 3, height: 2, polarities: 2 };

    fn at(t: u64) -> Event {
        Event { x: 1, y: 1, p: 1, t }
    }

    #[test]
    fn events_come_back_as_they_were_packed() {
        let events = [Event { x: 0, y: 0, p: 0, t: 900 }, at(900), at(1000), at(300_900), at(366_435)];
        let recording = Recording::pack(&events, SENSOR).unwrap();
        // (1 * 2 + 1) * 3 + 1 = 10.
        let expected = [(0, 0), (10, 0), (10, 100), (10, 300_000), (10, 365_535)];
        assert_eq!(recording.events().collect::<Vec<_>>(), expected);
        assert_eq!(recording.duration(), 365_535);
    }

    /// Four timesteps of 10 µs out of 42: bounds belong to the next timestep, the rest is left out.
    #[test]
    fn timesteps_are_half_open_and_the_rest_is_left_out() {
        let events = [0, 9, 10, 10, 39, 40, 42].map(|t| at(t + 5));
        let mut train = SpikeTrain { offsets: vec![0], inputs: vec![] };
        Recording::pack(&events, SENSOR).unwrap().bin(4, &mut train);
        assert_eq!(train.offsets, [0, 2, 4, 4, 5]);
        assert_eq!(train.inputs, [10; 5]);
    }

    #[test]
    fn bad_recordings_have_a_sentence_each() {
        let outside = Event { x: 3, ..at(0) };
        let cases: [(&[Event], &str); 5] = [
            (&[], "holds no events"),
            (&[at(0), outside], "has event 1 at x 3, y 1, polarity 1, outside the sensor of 3 × 2"),
            (&[Event { p: 2, ..at(0) }], "polarity 2"),
            (&[at(5), at(4)], "times must not run backwards"),
            (&[at(0), at(LONGEST + 1)], "lasts longer than"),
        ];
        for (events, sentence) in cases {
            let error = Recording::pack(events, SENSOR).unwrap_err();
            assert!(error.contains(sentence), "{error} should tell {sentence}");
        }
        assert_eq!(Recording::pack(&[at(0), at(LONGEST)], SENSOR).unwrap().duration(), u32::MAX);
    }

    #[test]
    fn a_picture_counts_both_polarities() {
        let events = [Event { p: 0, ..at(0) }, at(1), Event { x: 0, y: 0, p: 0, t: 2 }];
        let recording = Recording::pack(&events, SENSOR).unwrap();
        let recordings = Recordings { sensor: SENSOR, labels: vec![0], recordings: vec![recording] };
        assert_eq!(recordings.picture(0), [127, 0, 0, 0, 255, 0]);
    }
}
