//! What a figure's panels show.

/// One panel.
#[derive(Clone, Debug)]
pub enum Panel {
    /// Curves.
    Lines(Lines),
    /// A dot per spike.
    Raster(Raster),
    /// Groups of bars.
    Bars(Bars),
    /// Groups of values beside published ones.
    Compared(Compared),
    /// True classes against answers.
    Confusion(Confusion),
    /// Scores of the classes over time.
    Scores(Scores),
}

/// Curves over a common axis.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// Above the panel.
    pub title: String,
    /// Name and unit of the horizontal axis.
    pub x: String,
    /// Name and unit of the vertical axis.
    pub y: String,
    /// The curves.
    pub lines: Vec<Line>,
}

/// One curve.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// For the legend; empty for none.
    pub name: String,
    /// Its points, from left to right; those that are no numbers are left out.
    pub points: Vec<(f64, f64)>,
    /// Half the height of the band around each point; empty for no band.
    pub spread: Vec<f64>,
}

/// A dot per spike: time from left to right, neurons from bottom to top.
#[derive(Clone, Debug, Default)]
pub struct Raster {
    /// Above the panel.
    pub title: String,
    /// Timesteps shown.
    pub steps: usize,
    /// Neurons or inputs shown.
    pub rows: usize,
    /// Timestep and neuron of each spike.
    pub spikes: Vec<(usize, usize)>,
}

/// Groups of bars, one bar per series in each.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// Above the panel.
    pub title: String,
    /// Name and unit of the vertical axis.
    pub y: String,
    /// Name of each group.
    pub groups: Vec<String>,
    /// Name of a series, and its value in each group, if there is one.
    pub series: Vec<(String, Vec<Option<f64>>)>,
}

/// A mean and its standard deviation.
pub type MeanAndDeviation = (f64, f64);

/// Groups of values, a dot with a whisker each, and beside each what was published, as a diamond.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// Above the panel.
    pub title: String,
    /// Name and unit of the vertical axis.
    pub y: String,
    /// Name of each group.
    pub groups: Vec<String>,
    /// Name of a series, and its mean and standard deviation in each group, if there is one.
    pub series: Vec<(String, Vec<Option<MeanAndDeviation>>)>,
    /// Name of what was published for the series at the same place, and its value in each group.
    pub published: Vec<(String, Vec<Option<f64>>)>,
}

/// A confusion matrix.
#[derive(Clone, Debug, Default)]
pub struct Confusion {
    /// Above the panel.
    pub title: String,
    /// `counts[label][answer]`.
    pub counts: Vec<Vec<u32>>,
}

/// Scores of the classes as they grow, the winning one marked.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// Above the panel.
    pub title: String,
    /// A name for each class.
    pub names: Vec<String>,
    /// `values[class][timestep]`.
    pub values: Vec<Vec<f64>>,
    /// The class with the highest score at the end.
    pub winner: usize,
    /// The true class.
    pub label: usize,
}
