//! The hand: bends a skeleton and puts it somewhere on the paper.

use super::{Draws, SIDE, skeletons};
use rand::Rng;

/// A polyline in pixels.
pub type Stroke = Vec<(f32, f32)>;

/// Points between two of a skeleton's points.
const FINE: usize = 7;

/// Writes a digit the way one person would once.
pub fn write(rng: &mut impl Rng, digit: u8) -> Vec<Stroke> {
    let ways = skeletons::of(digit);
    let way = ways[rng.next_u32() as usize % ways.len()];
    let bend = Bend::random(rng);
    let place = Place::random(rng);
    let mut strokes = Vec::new();
    for points in way {
        // Fewer bends for a straight line of three points than for a bow of ten.
        let tremble: Vec<_> =
            points.iter().map(|&(x, y)| (x + rng.around(0.04), y + rng.around(0.035))).collect();
        strokes.push(smooth(&tremble).into_iter().map(|point| place.apply(bend.apply(point))).collect());
    }
    strokes
}

/// A smooth deformation of the unit box.
struct Bend {
    x: [f32; 4],
    y: [f32; 4],
}

impl Bend {
    fn random(rng: &mut impl Rng) -> Self {
        let mut draw = || [rng.around(0.2), rng.around(0.22), rng.around(0.25), rng.around(0.2)];
        Self { x: draw(), y: draw() }
    }

    fn apply(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let (u, v) = (x - 0.5, y - 0.5);
        let push = |k: &[f32; 4], along: f32, across: f32| {
            k[0] * across * across
                + k[1] * along * across
                + k[2] * across * across * across
                + k[3] * along * along
        };
        (u + push(&self.x, u, v), v + push(&self.y, v, u))
    }
}

/// Size, slant, turn and position on the paper.
struct Place {
    matrix: [[f32; 2]; 2],
    offset: (f32, f32),
}

impl Place {
    fn random(rng: &mut impl Rng) -> Self {
        let size = rng.within(15.5, 21.0);
        let (width, height) = (size * rng.within(0.55, 0.92), size * rng.within(0.88, 1.08));
        let slant = rng.around(0.26) + 0.08;
        // The rational form of a turn by 2 atan k: no sine needed, and the same bits everywhere.
        let k = rng.around(0.075);
        let (cos, sin) = ((1.0 - k * k) / (1.0 + k * k), 2.0 * k / (1.0 + k * k));
        let sheared = [[width, -slant * height], [0.0, height]];
        let row =
            |a: f32, b: f32| [a * sheared[0][0] + b * sheared[1][0], a * sheared[0][1] + b * sheared[1][1]];
        let centre = SIDE as f32 / 2.0;
        Self {
            matrix: [row(cos, -sin), row(sin, cos)],
            offset: (centre + rng.around(1.5), centre + rng.around(1.4)),
        }
    }

    fn apply(&self, (u, v): (f32, f32)) -> (f32, f32) {
        let [[a, b], [c, d]] = self.matrix;
        (self.offset.0 + a * u + b * v, self.offset.1 + c * u + d * v)
    }
}

/// A Catmull-Rom spline through the points.
fn smooth(points: &[(f32, f32)]) -> Vec<(f32, f32)> {
    let at = |index: isize| points[index.clamp(0, points.len() as isize - 1) as usize];
    let mut line = vec![points[0]];
    for span in 0..points.len() as isize - 1 {
        let (p0, p1, p2, p3) = (at(span - 1), at(span), at(span + 1), at(span + 2));
        for step in 1..=FINE {
            let t = step as f32 / FINE as f32;
            let blend = |a: f32, b: f32, c: f32, d: f32| {
                0.5 * (2.0 * b
                    + t * ((c - a)
                        + t * ((2.0 * a - 5.0 * b + 4.0 * c - d) + t * (3.0 * b - a - 3.0 * c + d))))
            };
            line.push((blend(p0.0, p1.0, p2.0, p3.0), blend(p0.1, p1.1, p2.1, p3.1)));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spline_passes_its_points() {
        let points = [(0.0, 0.0), (1.0, 0.5), (0.5, 1.0)];
        let line = smooth(&points);
        assert_eq!(line.len(), 2 * FINE + 1);
        for (index, point) in points.iter().enumerate() {
            let near = line[index * FINE];
            assert!((near.0 - point.0).abs() + (near.1 - point.1).abs() < 1e-5);
        }
    }
}
