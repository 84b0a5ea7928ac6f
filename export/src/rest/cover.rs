//! A cover of the states (h, h_s) that an SRC neuron without input can be in, from one timestep to the next.
//!
//! A cover is made of areas, at most one for each of many intervals of h. Its image covers the image of all its states:
//!
//! - the argument of tanh is linear in h and h_s, so which h_s of an area lead to which entries of tanh follows from the area's ends;
//! - with equal h, h' never falls as the argument grows; with equal arguments it never falls as h grows;
//! - h_s' never falls as h or h_s grows, as long as z_s is the same, and where it is not, both are taken.
//!
//! What becomes of the ends is computed by the runtime's own functions.

use spikelet_runtime::MOST_STATE;
use spikelet_runtime::neurons::Constants;
use spikelet_runtime::neurons::plain::{COARSE, argument, argument_entry, arguments_of, membrane, slow};
use std::vec;
use std::vec::Vec;

/// Bits of h and h_s.
pub type State = [i16; 2];

/// An SRC neuron whose current is 0 and that receives nothing.
#[derive(Clone, Copy, Debug)]
pub struct Alone<'c> {
    constants: &'c Constants,
    /// What a bit of h_s adds to the argument of tanh.
    r_s: i64,
    bias: i32,
}

impl<'c> Alone<'c> {
    /// A neuron of these cells.
    pub fn new(constants: &'c Constants, bias: i32) -> Self {
        Self { constants, r_s: argument(constants, 0, 0, 1, 0).into(), bias }
    }

    /// One timestep.
    pub fn step(&self, state: State) -> State {
        let [h, h_s] = state.map(i32::from);
        let next = membrane(self.constants, argument(self.constants, 0, h, h_s, self.bias), h);
        [next as i16, slow(self.constants, h, h_s, next) as i16]
    }
}

/// The entries of tanh, -1024 to 1023, in groups of neighbours of which h falls into the same interval of 2^`bits` bits.
#[derive(Clone, Debug)]
pub struct Groups {
    bits: u32,
    /// The first and the last entry of each.
    ends: Vec<[i32; 2]>,
}

impl Groups {
    /// The groups for intervals of h of 2^`bits` bits, with these cells' constants.
    pub fn new(constants: &Constants, bits: u32) -> Self {
        let of = |entry: i32| interval(bits, membrane(constants, arguments_of(entry)[0], 0));
        let mut ends: Vec<[i32; 2]> = Vec::new();
        for entry in -1024..1024 {
            match ends.last_mut() {
                Some(last) if of(last[0]) == of(entry) => last[1] = entry,
                _ => ends.push([entry; 2]),
            }
        }
        Self { bits, ends }
    }
}

/// Bits of h and of h_s from one end to another, both included.
#[derive(Clone, Copy, Debug)]
struct Area {
    h: [i32; 2],
    h_s: [i32; 2],
}

/// States, in areas.
#[derive(Clone, Debug)]
pub struct Cover {
    bits: u32,
    /// One for each interval of h that there are states in.
    areas: Vec<Option<Area>>,
}

/// Which interval h falls into. One of them ends with 0.5: behind it z_s is another.
const fn interval(bits: u32, h: i32) -> usize {
    ((h + (1 << 15) - 1) >> bits) as usize
}

impl Cover {
    /// All states that there are after a timestep.
    pub fn everything(bits: u32) -> Self {
        let mut cover = Self::nothing(bits);
        let all = [-i32::from(MOST_STATE), i32::from(MOST_STATE)];
        cover.add(Area { h: all, h_s: all });
        cover
    }

    fn nothing(bits: u32) -> Self {
        Self { bits, areas: vec![None; (1 << 16) >> bits] }
    }

    fn add(&mut self, new: Area) {
        for interval in interval(self.bits, new.h[0])..=interval(self.bits, new.h[1]) {
            let first = ((interval as i32) << self.bits) - (1 << 15) + 1;
            let last = first + (1 << self.bits) - 1;
            let new = Area { h: [new.h[0].max(first), new.h[1].min(last)], ..new };
            if let Some(area) = self.areas.get_mut(interval) {
                let old = area.unwrap_or(new);
                *area = Some(Area { h: hull(old.h, new.h), h_s: hull(old.h_s, new.h_s) });
            }
        }
    }

    /// Number of states.
    pub fn count(&self) -> u64 {
        let length = |[first, last]: [i32; 2], bits| ((last - first) as u64 >> bits) + 1;
        self.areas.iter().flatten().map(|area| length(area.h, 0) * length(area.h_s, COARSE)).sum()
    }

    /// Each state.
    pub fn states(&self) -> impl Iterator<Item = State> {
        self.areas.iter().flatten().flat_map(|area| {
            let h_s = move |h| {
                let all = (area.h_s[0]..=area.h_s[1]).step_by(1 << COARSE);
                all.map(move |h_s| [h as i16, h_s as i16])
            };
            (area.h[0]..=area.h[1]).flat_map(h_s)
        })
    }

    /// A cover of the states one timestep later.
    pub fn image(&self, alone: &Alone<'_>, groups: &Groups) -> Self {
        let mut image = Self::nothing(groups.bits);
        for area in self.areas.iter().flatten() {
            let arguments = alone.of_ends(area.h);
            let by_h_s = area.h_s.map(|h_s| alone.r_s * i64::from(h_s));
            let [least, most] =
                [arguments[0] + by_h_s[0].min(by_h_s[1]), arguments[1] + by_h_s[0].max(by_h_s[1])]
                    .map(|argument| argument_entry(argument as i32));
            let first = groups.ends.partition_point(|ends| ends[1] < least);
            for &ends in groups.ends.iter().skip(first).take_while(|ends| ends[0] <= most) {
                if let Some(h_s) = alone.leading_to(ends, arguments, area.h_s) {
                    image.add(alone.image(Area { h_s, ..*area }, ends));
                }
            }
        }
        image
    }
}

impl Alone<'_> {
    /// The arguments of tanh at both ends of h, without the part of h_s, the lesser first.
    fn of_ends(&self, h: [i32; 2]) -> [i64; 2] {
        let [a, b] = h.map(|h| i64::from(argument(self.constants, 0, h, 0, self.bias)));
        [a.min(b), a.max(b)]
    }

    /// The part of `h_s` that leads to entries of tanh between `ends`, given the other parts of the argument.
    fn leading_to(&self, ends: [i32; 2], others: [i64; 2], h_s: [i32; 2]) -> Option<[i32; 2]> {
        // r_s h_s lies between these.
        let least = i64::from(arguments_of(ends[0])[0]) - others[1];
        let most = i64::from(arguments_of(ends[1])[1]) - others[0];
        // h_s comes in steps of 2^COARSE.
        let [least, most] = match self.r_s << COARSE {
            0 if least > 0 || most < 0 => return None,
            0 => return Some(h_s),
            step if step > 0 => [-(-least).div_euclid(step), most.div_euclid(step)],
            step => [-most.div_euclid(-step), (-least).div_euclid(-step)],
        };
        let first = i64::from(h_s[0]).max(least << COARSE);
        let last = i64::from(h_s[1]).min(most << COARSE);
        (first <= last).then_some([first as i32, last as i32])
    }

    /// What becomes of states that lead to entries of tanh between `ends`.
    fn image(&self, area: Area, ends: [i32; 2]) -> Area {
        let end = |end: usize| membrane(self.constants, arguments_of(ends[end])[0], area.h[end]);
        let h = [end(0), end(1)];
        let slow = |end: usize| h.map(|next| slow(self.constants, area.h[end], area.h_s[end], next));
        let (first, last) = (slow(0), slow(1));
        Area { h, h_s: [first[0].min(first[1]), last[0].max(last[1])] }
    }
}

/// The least interval that holds both.
fn hull(a: [i32; 2], b: [i32; 2]) -> [i32; 2] {
    [a[0].min(b[0]), a[1].max(b[1])]
}
