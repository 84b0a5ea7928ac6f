//! The size of a neuron's weight step.

/// Temporary: the largest weight becomes the most steps.
pub fn step(row: &[f32], most: i8) -> f64 {
    row.iter().fold(0.0f64, |largest, &w| largest.max(f64::from(w).abs())) / f64::from(most)
}
