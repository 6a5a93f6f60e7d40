//! How gradients of microbatches become one: each is summed from zero, and they are added in a fixed binary tree by number.
//!
//! ```text
//! 0   1   2   3   4        (0 + 1) + (2 + 3), and what is left over: ((0 + 1) + (2 + 3)) + 4
//!  \ /     \ /    |
//!   +       +     |
//!     \   /       |
//!       +         |
//!          \     /
//!             +
//! ```
//!
//! The tree depends on the number of microbatches alone. Of a power of two of them, as many processes as another power of two,
//! each with its run of neighbours, add the same numbers in the same order: [`Reduce`] adds what the processes have, in a tree by
//! rank, and the sum has the bits of one process.

use crate::error::Result;
use diffplan_nn::{Params, fill_zero, named_params, named_params_mut, zeros_like};
use rayon::prelude::*;

/// Sums over processes that train together.
pub trait Reduce: Send + std::fmt::Debug {
    /// Which of them this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn ranks(&self) -> usize;

    /// Replaces every number by its sum over all ranks, added in a binary tree by rank; all ranks call it alike.
    ///
    /// # Errors
    /// If another cannot be reached.
    fn sum(&mut self, grad: &mut [&mut [f32]], scalars: &mut [f64]) -> Result<()>;
}

/// One process alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Reduce for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn ranks(&self) -> usize {
        1
    }

    fn sum(&mut self, _: &mut [&mut [f32]], _: &mut [f64]) -> Result<()> {
        Ok(())
    }
}

/// Sums in the making, and gradients that are free to be used again.
#[derive(Debug)]
pub(crate) struct Tree<M> {
    /// Sums of a power of two of gradients each, the exponents falling.
    sums: Vec<(u32, M)>,
    free: Vec<M>,
}

impl<M: Params + Clone> Tree<M> {
    pub(crate) fn new(model: &M) -> Self {
        Self {
            sums: Vec::new(),
            free: vec![zeros_like(model)],
        }
    }

    /// Forgets all sums.
    pub(crate) fn clear(&mut self) {
        self.free.extend(self.sums.drain(..).map(|(_, sum)| sum));
    }

    /// A gradient that is zero.
    pub(crate) fn zeros(&mut self, model: &M) -> M {
        match self.free.pop() {
            Some(mut grad) => {
                fill_zero(&mut grad);
                grad
            }
            None => zeros_like(model),
        }
    }

    /// The gradient of the next microbatch.
    pub(crate) fn add(&mut self, grad: M) {
        let (mut level, mut grad) = (0, grad);
        while let Some((_, mut left)) = self.sums.pop_if(|(other, _)| *other == level) {
            add(&mut left, &grad);
            self.free.push(std::mem::replace(&mut grad, left));
            level += 1;
        }
        self.sums.push((level, grad));
    }

    /// The sum of all.
    pub(crate) fn total(&mut self) -> Option<&mut M> {
        while self.sums.len() > 1 {
            let (Some((_, right)), Some((_, left))) = (self.sums.pop(), self.sums.last_mut()) else {
                break;
            };
            add(left, &right);
            self.free.push(right);
        }
        self.sums.last_mut().map(|(_, sum)| sum)
    }
}

/// Adds every number of `other`, on all threads: each sum is one addition, so their number does not matter.
fn add<M: Params>(sum: &mut M, other: &M) {
    let pairs: Vec<_> = named_params_mut(sum).into_iter().zip(named_params(other)).collect();
    pairs
        .into_par_iter()
        .for_each(|((_, mut sum), (_, other))| sum += &other);
}

/// Sums over ranks.
///
/// # Errors
/// Those of `reduce`.
pub(crate) fn over_ranks<M: Params>(reduce: &mut dyn Reduce, grad: &mut M, scalars: &mut [f64]) -> Result<()> {
    if reduce.ranks() == 1 {
        return Ok(());
    }
    let mut views: Vec<_> = named_params_mut(grad).into_iter().map(|(_, view)| view).collect();
    let mut slices: Vec<&mut [f32]> = views
        .iter_mut()
        .filter_map(|view| view.as_slice_memory_order_mut())
        .collect();
    reduce.sum(&mut slices, scalars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use diffplan_nn::{Linear, add_params};

    /// A gradient of numbers whose sum depends on the order.
    fn grad(number: usize) -> Linear {
        let mut linear = Linear::zeros(30, 20);
        for (i, (_, mut view)) in named_params_mut(&mut linear).into_iter().enumerate() {
            view.iter_mut().enumerate().for_each(|(j, x)| {
                *x = ((7 * number + 3 * i + j) as f32).sin() * 10f32.powi((number % 5) as i32);
            });
        }
        linear
    }

    fn bits(linear: &Linear) -> Vec<u32> {
        named_params(linear)
            .into_iter()
            .flat_map(|(_, view)| view.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            .collect()
    }

    fn sum_of(numbers: std::ops::Range<usize>) -> Linear {
        let mut tree = Tree::new(&grad(0));
        for number in numbers {
            let mut own = tree.zeros(&grad(0));
            add_params(&mut own, &grad(number));
            tree.add(own);
        }
        tree.total().unwrap().clone()
    }

    #[test]
    fn the_tree_is_that_of_the_drawing() {
        let plus = |mut a: Linear, b: &Linear| {
            add_params(&mut a, b);
            a
        };
        let pair = |a: usize| plus(grad(a), &grad(a + 1));
        let expected = plus(plus(pair(0), &pair(2)), &grad(4));
        assert_eq!(bits(&sum_of(0..5)), bits(&expected));
        let in_order = (1..5).fold(grad(0), |sum, i| plus(sum, &grad(i)));
        assert_ne!(bits(&expected), bits(&in_order), "numbers whose order does not show");
    }

    #[test]
    fn a_power_of_two_of_ranks_has_the_bits_of_one() {
        let whole = bits(&sum_of(0..8));
        for ranks in [2, 4, 8] {
            let each = 8 / ranks;
            let mut tree = Tree::new(&grad(0));
            (0..ranks).for_each(|rank| tree.add(sum_of(rank * each..(rank + 1) * each)));
            assert_eq!(bits(tree.total().unwrap()), whole, "{ranks} ranks");
        }
    }

    #[test]
    fn a_tree_is_used_again() {
        let mut tree = Tree::new(&grad(0));
        for _ in 0..3 {
            tree.clear();
            for number in 0..3 {
                let mut own = tree.zeros(&grad(0));
                add_params(&mut own, &grad(number));
                tree.add(own);
            }
            assert_eq!(bits(tree.total().unwrap()), bits(&sum_of(0..3)));
        }
        assert!(tree.free.len() <= 3, "{} gradients for 3 microbatches", tree.free.len());
    }
}
