//! How steady the machine is: the same arithmetic, timed again and again.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};

const ROUNDS: usize = 40;
const STEPS: u64 = 20_000_000;

/// Times the fixed loop; `cv` is the standard deviation over the mean.
pub(crate) fn measure() -> Value {
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            let mut state = black_box(1_u64);
            for _ in 0..STEPS {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
            }
            black_box(state);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let variance = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / times.len() as f64;
    let extreme = |pick: fn(f64, f64) -> f64| times.iter().copied().reduce(pick);
    json!({
        "mean_ms": mean, "cv": variance.sqrt() / mean, "min_ms": extreme(f64::min), "max_ms": extreme(f64::max),
        "load_average": fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    })
}

/// What the machine is.
pub(crate) fn machine() -> Value {
    let line = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned())
    };
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": line("/proc/cpuinfo", "model name"),
        "memory": line("/proc/meminfo", "MemTotal"),
    })
}
