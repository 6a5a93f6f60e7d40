use super::*;
use crate::packed::MatRef;
use crate::testing::{assert_close, numbers};

/// Sizes that straddle every tile's edge: 1 to 40 rows, columns around 16, 32 and 64, depths with nothing in common.
#[test]
fn sums_of_products_agree_with_the_slow_twin_on_every_instruction_set() {
    for isa in Isa::available() {
        for rows in (1..=14).chain([23, 24, 25, 37]) {
            for (depth, cols) in [(1, 1), (7, 15), (32, 16), (5, 17), (40, 31), (3, 32), (9, 33), (17, 70)] {
                for (count, init) in [(0, 0), (1, 0), (2, 1), (5, 2), (9, 1), (17, 2)] {
                    check(isa, rows, 1 + rows % 3, depth, cols, count, init);
                }
            }
        }
    }
}

#[allow(clippy::too_many_arguments)] // a row of the table
fn check(isa: Isa, rows: usize, step: usize, depth: usize, cols: usize, count: usize, init: usize) {
    let (taps, a_rows) = (3, rows * step + 4);
    let a = numbers(a_rows * depth, 1);
    let matrices: Vec<_> = (0..taps).map(|t| numbers(depth * cols, 2 + t as u32)).collect();
    let mut b = Packed::zeros(taps, depth, cols);
    for (tap, matrix) in matrices.iter().enumerate() {
        b.set(tap, MatRef::row_major(matrix, depth, cols));
    }
    let terms: Vec<_> = (0..count)
        .map(|i| Term {
            row: i % 5,
            tap: (i * 2) % taps,
        })
        .collect();
    let bias = numbers(cols, 9);
    let old = numbers(rows * (cols + 1), 10);
    // A column to the right of every row must stay; what is overwritten must not be read.
    let mut c = if init == 2 {
        old.clone()
    } else {
        vec![f32::NAN; old.len()]
    };
    c.iter_mut().skip(cols).step_by(cols + 1).for_each(|gap| *gap = 42.0);
    let init_by = match init {
        0 => Init::Zero,
        1 => Init::Bias(&bias),
        _ => Init::Accumulate,
    };
    let whole = RowsMut::new(&mut c, cols + 1).split_columns(cols).0;
    products_on(isa, Rows::new(&a, depth), step, &terms, &b, 0, init_by, whole);
    let expected: Vec<f64> = (0..rows * cols)
        .map(|at| {
            let (i, j) = (at / cols, at % cols);
            let start = [0.0, bias[j], old[i * (cols + 1) + j]][init];
            let product = |term: &Term| -> f64 {
                (0..depth)
                    .map(|k| {
                        f64::from(a[(term.row + i * step) * depth + k]) * f64::from(matrices[term.tap][k * cols + j])
                    })
                    .sum()
            };
            f64::from(start) + terms.iter().map(product).sum::<f64>()
        })
        .collect();
    let got: Vec<f32> = (0..rows * cols)
        .map(|at| c[at / cols * (cols + 1) + at % cols])
        .collect();
    let name = format!(
        "{} {rows} rows by {step} x {depth} x {cols}, {count} terms, init {init}",
        isa.name()
    );
    // Rounding of a chain of `depth · count` sums, which stay below 20.
    assert_close(&name, &got, &expected, 2e-7 * ((depth * count) as f64 + 2.0));
    assert!(
        (0..rows).all(|i| c[i * (cols + 1) + cols] == 42.0),
        "{name}: wrote beyond its columns"
    );
}

#[test]
fn a_row_and_a_panel_have_the_same_bits_alone_and_among_others() {
    let (rows, depth, cols) = (45, 70, 96);
    let a = numbers(rows * depth, 3);
    let matrix = numbers(depth * cols, 4);
    let mut b = Packed::zeros(1, depth, cols);
    b.set(0, MatRef::row_major(&matrix, depth, cols));
    for isa in Isa::available() {
        let mut whole = vec![f32::NAN; rows * cols];
        let term = |row| [Term { row, tap: 0 }];
        products_on(
            isa,
            Rows::new(&a, depth),
            1,
            &term(0),
            &b,
            0,
            Init::Zero,
            RowsMut::new(&mut whole, cols),
        );
        let mut parts = vec![f32::NAN; rows * cols];
        for range in [0..1, 1..4, 4..17, 17..45] {
            for panel in 0..3 {
                let own = RowsMut::new(&mut parts, cols)
                    .split_columns(panel * 32)
                    .1
                    .split_columns(32)
                    .0;
                let own = own.range(range.clone());
                products_on(
                    isa,
                    Rows::new(&a, depth),
                    1,
                    &term(range.start),
                    &b,
                    panel,
                    Init::Zero,
                    own,
                );
            }
        }
        assert!(whole == parts, "{}", isa.name());
    }
}

/// Rounded operands, summed in float32: beside the products of the rounded numbers there is only the rounding of sums. The
/// format is the best of the machine, and the one for machines without bfloat16 products.
#[test]
fn bf16_products_are_those_of_the_rounded_numbers() {
    let round = |x: &f32| half::bf16::from_f32(*x).to_f32();
    for format in [Format::Bf16Widened, Packed::zeros_bf16(1, 1, 1).format()] {
        for (rows, depth, cols) in [(1, 1, 1), (5, 7, 15), (13, 64, 33), (26, 33, 96)] {
            let (a, matrix) = (numbers(rows * depth, 1), numbers(depth * cols, 2));
            let mut b = Packed::in_format(format, 2, depth, cols);
            b.set(1, MatRef::row_major(&matrix, depth, cols));
            let mut rounded = crate::Buffer::default();
            b.round_rows(&a, &mut rounded);
            let mut c = vec![f32::NAN; rows * cols];
            let (terms, a_rows) = ([Term { row: 0, tap: 1 }], Rows::new(&rounded, b.row_len()));
            products(a_rows, 1, &terms, &b, 0, Init::Zero, RowsMut::new(&mut c, cols));
            let expected: Vec<f64> = (0..rows * cols)
                .map(|at| {
                    let (i, j) = (at / cols, at % cols);
                    let product =
                        |k: usize| f64::from(round(&a[i * depth + k])) * f64::from(round(&matrix[k * cols + j]));
                    (0..depth).map(product).sum()
                })
                .collect();
            let name = format!("{format:?} {rows} x {depth} x {cols}");
            assert_close(&name, &c, &expected, 1.2e-7 * (depth as f64 + 2.0));
        }
    }
}

#[test]
#[should_panic(expected = "a term beyond the rows")]
fn a_term_beyond_the_rows_is_refused() {
    let b = Packed::zeros(1, 2, 2);
    let term = [Term { row: 2, tap: 0 }];
    products(
        Rows::new(&[0.0; 6], 2),
        1,
        &term,
        &b,
        0,
        Init::Zero,
        RowsMut::new(&mut [0.0; 4], 2),
    );
}

#[test]
fn rows_that_are_not_there_are_refused_and_absurd_sizes_do_not_wrap() {
    let b = Packed::zeros(1, 2, 3);
    let refused = |a_rows: usize, step: usize, row: usize, panels_from: usize, c_rows: usize, c_cols: usize| {
        let b = &b;
        let run = move || {
            let (a, mut c) = (vec![0.0; a_rows * 2], vec![0.0; c_rows * c_cols]);
            let (a, c) = (Rows::new(&a, 2), RowsMut::new(&mut c, c_cols));
            products(a, step, &[Term { row, tap: 0 }], b, panels_from, Init::Zero, c);
        };
        std::panic::catch_unwind(run).is_err()
    };
    assert!(!refused(4, 1, 0, 0, 4, 3));
    assert!(!refused(0, 1, 0, 0, 0, 3));
    assert!(refused(0, 1, 0, 0, 1, 3), "a row of an empty matrix");
    assert!(refused(4, 1, 1, 0, 4, 3), "a row beyond the last");
    assert!(refused(4, usize::MAX / 2 + 1, 0, 0, 3, 3), "steps that wrap to 0");
    assert!(refused(4, 1, usize::MAX, 0, 2, 3), "a place that wraps to 0");
    assert!(
        refused(4, 1, 0, usize::MAX / Packed::PANEL + 1, 4, 3),
        "panels that wrap to 0"
    );
}
