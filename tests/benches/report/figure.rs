//! What a measurement hands in, and the figure that its repetitions make.

use serde::{Deserialize, Serialize};

/// What a value should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

impl Aim {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// One value of one repetition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
    pub(crate) aim: Option<Aim>,
}

/// What one repetition of a measurement found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Findings {
    pub(crate) samples: Vec<Sample>,
    /// What has to be said of the values.
    pub(crate) notes: Vec<String>,
}

impl Findings {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        unit: &str,
        value: f64,
        aim: impl Into<Option<Aim>>,
    ) {
        self.samples.push(Sample {
            name: name.into(),
            unit: unit.to_owned(),
            value,
            aim: aim.into(),
        });
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// All repetitions of one value.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) measurement: String,
    pub(crate) name: String,
    pub(crate) unit: String,
    /// The median of the repetitions.
    pub(crate) value: f64,
    pub(crate) aim: Option<Aim>,
    pub(crate) met: Option<bool>,
    pub(crate) repetitions: Vec<f64>,
}

impl Figure {
    /// A figure of its first repetition.
    pub(crate) fn new(measurement: &str, sample: Sample) -> Self {
        let mut figure = Self {
            measurement: measurement.to_owned(),
            name: sample.name,
            unit: sample.unit,
            value: sample.value,
            aim: sample.aim,
            met: None,
            repetitions: Vec::new(),
        };
        figure.add(sample.value);
        figure
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.repetitions.push(value);
        self.value = median(&self.repetitions);
        self.met = self.aim.map(|aim| aim.is_met(self.value));
    }
}

/// The middle value, or the mean of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The value below which a share of the values lies (nearest rank). The values are put in order.
pub(crate) fn quantile(values: &mut [u64], share: f64) -> f64 {
    values.sort_unstable();
    let rank = (share * values.len() as f64).ceil() as usize;
    values
        .get(rank.clamp(1, values.len().max(1)) - 1)
        .map_or(f64::NAN, |value| *value as f64)
}
