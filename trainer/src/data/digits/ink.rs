//! The pen and the paper: turns strokes into pixels, with the accidents of both.

use super::hand::Stroke;
use super::{Draws, SIDE};
use rand::Rng;

/// Distance of every pixel from the middle of the line, less the pen's radius there.
type Paper = [f32; SIDE * SIDE];

/// Draws strokes as an image, row after row, 0 where the paper is clean.
pub fn image(rng: &mut impl Rng, strokes: &[Stroke]) -> Vec<u8> {
    let mut paper = [f32::INFINITY; SIDE * SIDE];
    let radius = rng.within(0.75, 1.65);
    let pressure = rng.within(-0.35, 0.35);
    for stroke in strokes {
        let gap = rng.chance(0.12).then(|| rng.within(0.15, 0.85));
        line(&mut paper, stroke, radius, pressure, gap);
    }
    if rng.chance(0.22) {
        line(&mut paper, &scratch(rng), radius * 0.7, 0.0, None);
    }
    let (strength, softness) = (rng.within(0.72, 1.0), rng.within(0.7, 1.3));
    let grain = rng.within(0.0, 0.25);
    let mut image: Vec<u8> = paper
        .iter()
        .map(|&beyond| {
            let cover = (0.5 - beyond / softness).clamp(0.0, 1.0);
            let ink = if cover > 0.0 { cover * strength * (1.0 - grain * rng.within(0.0, 1.0)) } else { 0.0 };
            (ink * 255.0) as u8
        })
        .collect();
    // Specks of dirt.
    let specks = rng.next_u32() % 7;
    for _ in 0..specks {
        let pixel = rng.next_u32() as usize % image.len();
        image[pixel] = image[pixel].max(rng.within(30.0, 160.0) as u8);
    }
    image
}

/// A short line that belongs to no digit, somewhere near the edge.
fn scratch(rng: &mut impl Rng) -> Stroke {
    let side = SIDE as f32;
    let (along, into) = (rng.within(2.0, side - 2.0), rng.within(1.0, 6.0));
    let across = if rng.chance(0.5) { into } else { side - into };
    let start = if rng.chance(0.5) { (along, across) } else { (across, along) };
    vec![start, (start.0 + rng.around(3.0), start.1 + rng.around(3.0))]
}

/// Draws a polyline; near `gap`, a share of its length, the pen had no ink.
fn line(paper: &mut Paper, points: &[(f32, f32)], radius: f32, pressure: f32, gap: Option<f32>) {
    let count = points.len() as f32;
    for (index, ends) in points.windows(2).enumerate() {
        let along = index as f32 / count;
        if gap.is_some_and(|gap| (along - gap).abs() < 0.06) {
            continue;
        }
        segment(paper, ends[0], ends[1], radius * (1.0 + pressure * (2.0 * along - 1.0)));
    }
}

fn segment(paper: &mut Paper, a: (f32, f32), b: (f32, f32), radius: f32) {
    let reach = radius + 1.5;
    let pixels = |low: f32, high: f32| {
        let clip = |value: f32| value.clamp(0.0, SIDE as f32) as usize;
        clip(low - reach)..clip(high + reach + 1.0)
    };
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length_squared = (dx * dx + dy * dy).max(1e-9);
    for row in pixels(a.1.min(b.1), a.1.max(b.1)) {
        for column in pixels(a.0.min(b.0), a.0.max(b.0)) {
            let (px, py) = (column as f32 + 0.5 - a.0, row as f32 + 0.5 - a.1);
            let t = ((px * dx + py * dy) / length_squared).clamp(0.0, 1.0);
            let (ex, ey) = (px - t * dx, py - t * dy);
            let beyond = (ex * ex + ey * ey).sqrt() - radius;
            let pixel = &mut paper[row * SIDE + column];
            *pixel = pixel.min(beyond);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_line_is_dark_where_it_lies_and_nowhere_else() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let image = image(&mut rng, &[vec![(4.0, 14.0), (24.0, 14.0)]]);
        let at = |x: usize, y: usize| image[y * SIDE + x];
        assert!(at(14, 13) > 80 && at(14, 14) > 80);
        assert!(at(14, 8) < 170 && (0..SIDE).filter(|&x| at(x, 8) > 0).count() <= 8);
    }

    #[test]
    fn strokes_off_the_paper_are_cut() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let image = image(&mut rng, &[vec![(-50.0, -50.0), (90.0, 90.0)]]);
        assert_eq!(image.len(), SIDE * SIDE);
    }
}
