//! Floats whose text does not change when the server reads and writes them again.
//!
//! Nexus stores a record as JSON text and reads and prints the *whole* record on every update. Its
//! number parser multiplies or divides the digits by one power of ten, which is off by one unit in
//! the last place for some values with 16 or 17 digits. `0.1` becoming `0.10000000000000002` and
//! back changes the width of the record, and a record that shrinks loses data. [`stable`] therefore
//! keeps a float that survives that parser and rounds any other to the most digits that do: 15
//! digits for all ordinary magnitudes, a relative change below 1e-15.

use serde_json::{Number, Value};

/// Digits to which a float that does not survive is rounded first.
const SAFE_DIGITS: usize = 15;

/// The float nearest to `value` that any JSON reader, exact or not, reads back unchanged.
///
/// Finite input gives finite output. A magnitude below about 1e-300 may become zero. Negative zero
/// becomes zero.
pub fn stable(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    if survives(value) {
        return value;
    }
    (0..SAFE_DIGITS)
        .rev()
        .filter_map(|decimals| format!("{value:.decimals$e}").parse::<f64>().ok())
        .find(|rounded| survives(*rounded))
        .unwrap_or(0.0)
}

/// Replaces every float inside `value` by its stable neighbour.
pub(super) fn stabilise(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            if let Some(stable) = number.as_f64().map(stable).and_then(Number::from_f64) {
                *number = stable;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(stabilise),
        Value::Object(map) => map.values_mut().for_each(stabilise),
        _ => {}
    }
}

/// Whether the printed form of `value` gives `value` again under a parser that scales the integer
/// made of all digits by one power of ten.
fn survives(value: f64) -> bool {
    let Some(number) = Number::from_f64(value.abs()) else {
        return false;
    };
    let text = number.to_string();
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let Ok(significand) = digits.replace('.', "").parse::<u64>() else {
        return false;
    };
    let (Ok(exponent), Ok(decimals)) = (exponent.parse::<i32>(), i32::try_from(decimals)) else {
        return false;
    };
    scaled(significand, exponent - decimals) == value.abs()
}

/// `significand * 10^exponent` with one rounding a step, as an inexact parser computes it.
fn scaled(significand: u64, mut exponent: i32) -> f64 {
    let mut value = significand as f64;
    while exponent < -308 {
        value /= 1e308;
        exponent += 308;
    }
    // `powi` rounds on its own; parsing the literal gives the correctly rounded power.
    let power = format!("1e{}", exponent.unsigned_abs())
        .parse::<f64>()
        .unwrap_or(f64::INFINITY);
    if exponent < 0 {
        value / power
    } else {
        value * power
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Reads a number the fast way, digit by digit, with one scaling at the end. The parser of the
    /// JSON library is exact or not depending on the features of the build.
    fn inexact(text: &str) -> f64 {
        let (mut digits, mut exponent, mut after_point) = (0_u64, 0_i32, false);
        let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
        for character in mantissa.trim_start_matches('-').chars() {
            match character.to_digit(10) {
                Some(digit) => {
                    digits = digits * 10 + u64::from(digit);
                    exponent -= i32::from(after_point);
                }
                None => after_point = true,
            }
        }
        exponent += power.parse::<i32>().unwrap();
        let power_of_ten = |n: i32| format!("1e{n}").parse::<f64>().unwrap();
        let magnitude = match exponent {
            0.. => digits as f64 * power_of_ten(exponent),
            -308..0 => digits as f64 / power_of_ten(-exponent),
            _ => digits as f64 / 1e308 / power_of_ten(-exponent - 308),
        };
        if text.starts_with('-') {
            -magnitude
        } else {
            magnitude
        }
    }

    #[test]
    fn a_value_that_the_server_would_change_is_rounded() {
        let changed = (1..1_000)
            .map(|n| f64::from(n) / 997.0)
            .find(|v| inexact(&v.to_string()) != *v)
            .unwrap();
        assert_ne!(stable(changed), changed);
        assert!((stable(changed) - changed).abs() < 1e-15);
    }

    #[test]
    fn everyday_values_stay_as_they_are() {
        for value in [0.1, 0.25, 1.0, -2.5, 0.123456, 1e21, 1.5e-7, 123456789.125, 1e15] {
            assert_eq!(stable(value).to_bits(), f64::to_bits(value), "{value}");
        }
    }

    #[test]
    fn the_extremes_stay_finite() {
        for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0] {
            assert!(stable(value).is_finite(), "{value}");
        }
        assert!(stable(f64::MAX) > 1e307);
    }

    #[test]
    fn floats_are_found_wherever_they_nest() {
        let unstable = (1..1_000)
            .map(|n| f64::from(n) / 997.0)
            .find(|v| stable(*v) != *v)
            .unwrap();
        let mut value = json!({"a": [1, unstable, {"b": unstable}], "c": "0.1", "d": u64::MAX});
        stabilise(&mut value);
        let settled = stable(unstable);
        assert_eq!(
            value,
            json!({"a": [1, settled, {"b": settled}], "c": "0.1", "d": u64::MAX})
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn a_stable_float_survives_reading_and_printing(value in any::<f64>()) {
            prop_assume!(value.is_finite());
            let settled = stable(value);
            let text = serde_json::to_string(&settled).unwrap();
            let read: f64 = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(read.to_bits(), settled.to_bits());
            prop_assert_eq!(inexact(&text).to_bits(), settled.to_bits());
            prop_assert_eq!(stable(settled).to_bits(), settled.to_bits());
        }

        #[test]
        fn ordinary_magnitudes_keep_fifteen_digits(value in -1e6_f64..1e6) {
            let settled = stable(value);
            prop_assert!((settled - value).abs() <= value.abs() * 1e-14);
        }

        #[test]
        fn scores_keep_fifteen_digits(score in any::<f32>().prop_filter("finite", |s| s.is_normal() && s.abs() > 1e-6 && s.abs() < 1e6)) {
            let score = f64::from(score);
            prop_assert!((stable(score) - score).abs() <= score.abs() * 1e-14);
        }
    }
}
