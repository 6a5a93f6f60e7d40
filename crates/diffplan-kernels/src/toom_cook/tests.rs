use super::*;
use crate::testing::{assert_close, numbers};

/// The slow twin: padded, tap by tap, in float64; rows (length, batch).
fn twin(x: &[f32], taps: &[Vec<f32>], len: usize, batch: usize, depth: usize, cols: usize) -> Vec<f64> {
    let mut y = vec![0.0; len * batch * cols];
    for l in 0..len {
        for (k, tap) in taps.iter().enumerate() {
            let Some(from) = (l + k).checked_sub(2).filter(|&from| from < len) else {
                continue;
            };
            for b in 0..batch {
                for c in 0..depth {
                    for j in 0..cols {
                        y[(l * batch + b) * cols + j] +=
                            f64::from(x[(from * batch + b) * depth + c]) * f64::from(tap[c * cols + j]);
                    }
                }
            }
        }
    }
    y
}

fn check(isa: Isa, len: usize, batch: usize, depth: usize, cols: usize) {
    let x = numbers(len * batch * depth, 1);
    let taps: Vec<Vec<f32>> = (0..KERNEL).map(|k| numbers(depth * cols, 2 + k as u32)).collect();
    let views: [MatRef; KERNEL] = std::array::from_fn(|k| MatRef::row_major(&taps[k], depth, cols));
    let layer = ToomCook::pack(len, &views);
    let mut t = Buffer::default();
    layer.combine_inputs_on(isa, &x, len, &mut t);
    let expected = twin(&x, &taps, len, batch, depth, cols);
    let bias = numbers(cols, 11);
    for with_bias in [true, false] {
        let old = numbers(len * batch * cols, 12);
        let mut y = if with_bias {
            vec![f32::NAN; old.len()]
        } else {
            old.clone()
        };
        let init = if with_bias { Init::Bias(&bias) } else { Init::Accumulate };
        layer.outputs_on(isa, &t, batch, 0, init, RowsMut::new(&mut y, cols));
        let start = |i: usize| f64::from(if with_bias { bias[i % cols] } else { old[i] });
        let expected: Vec<f64> = expected.iter().enumerate().map(|(i, y)| y + start(i)).collect();
        let name = format!("{} {len} x {batch} x {depth} to {cols}", isa.name());
        // Twenty times the rounding of the direct sum, measured at most nine.
        assert_close(&name, &y, &expected, 20.0 * 6e-8 * ((5 * depth) as f64).sqrt() * 2.0);
    }
}

#[test]
fn both_forms_agree_with_the_slow_twin_on_every_instruction_set() {
    for isa in Isa::available() {
        for len in [4, 8, 12, 16] {
            for (batch, depth, cols) in [
                (1, 8, 32),
                (3, 5, 7),
                (13, 16, 40),
                (2, 33, 70),
                (40, 3, 33),
                (9, 64, 64),
            ] {
                check(isa, len, batch, depth, cols);
            }
        }
    }
}

#[test]
fn a_sample_has_the_same_bits_alone_and_a_panel_too() {
    let (batch, depth, cols) = (37, 24, 64);
    let taps: Vec<Vec<f32>> = (0..KERNEL).map(|k| numbers(depth * cols, 2 + k as u32)).collect();
    let views: [MatRef; KERNEL] = std::array::from_fn(|k| MatRef::row_major(&taps[k], depth, cols));
    for isa in Isa::available() {
        for len in [4, 8] {
            let x = numbers(len * batch * depth, 1);
            let layer = ToomCook::pack(len, &views);
            let bias = vec![0.0; cols];
            let mut t = Buffer::default();
            let mut whole = vec![f32::NAN; len * batch * cols];
            layer.combine_inputs_on(isa, &x, len, &mut t);
            layer.outputs_on(isa, &t, batch, 0, Init::Bias(&bias), RowsMut::new(&mut whole, cols));
            let sample = 23;
            let own = |l: usize| &x[(l * batch + sample) * depth..][..depth];
            let alone: Vec<f32> = (0..len).flat_map(|l| own(l).to_vec()).collect();
            layer.combine_inputs_on(isa, &alone, len, &mut t);
            let mut y = vec![f32::NAN; len * cols];
            let (left, right) = RowsMut::new(&mut y, cols).split_columns(32);
            layer.outputs_on(isa, &t, 1, 1, Init::Bias(&bias[32..]), right);
            layer.outputs_on(isa, &t, 1, 0, Init::Bias(&bias[..32]), left);
            for l in 0..len {
                assert!(
                    y[l * cols..][..cols] == whole[(l * batch + sample) * cols..][..cols],
                    "{}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn the_error_is_what_the_module_says() {
    let (batch, depth, cols) = (16, 256, 32);
    for (len, most) in [(4, 7e-7), (8, 8e-7)] {
        let x = numbers(len * batch * depth, 1);
        let taps: Vec<Vec<f32>> = (0..KERNEL).map(|k| numbers(depth * cols, 2 + k as u32)).collect();
        let views: [MatRef; KERNEL] = std::array::from_fn(|k| MatRef::row_major(&taps[k], depth, cols));
        let layer = ToomCook::pack(len, &views);
        let expected = twin(&x, &taps, len, batch, depth, cols);
        let norm = expected.iter().map(|y| y * y).sum::<f64>().sqrt();
        for isa in Isa::available() {
            let mut t = Buffer::default();
            layer.combine_inputs_on(isa, &x, len, &mut t);
            let mut y = vec![f32::NAN; len * batch * cols];
            layer.outputs_on(isa, &t, batch, 0, Init::Zero, RowsMut::new(&mut y, cols));
            let error = y
                .iter()
                .zip(&expected)
                .map(|(y, e)| (f64::from(*y) - e).powi(2))
                .sum::<f64>()
                .sqrt()
                / norm;
            assert!(error < most, "{} length {len}: {error:e}", isa.name());
        }
    }
}
