//! Parameters by name.
//!
//! One visitor is the only source of names: they come from the fields of the structs, so that a model's state dict is
//! what diffusers calls it. Gradients, optimiser moments and averages of a model are values of the model's own type; saving,
//! loading, counting and comparing are a few lines each.

use ndarray::{ArrayBase, ArrayViewD, ArrayViewMutD, Dimension, OwnedRepr};
use ndarray_rand::rand::RngCore;

/// The name of the parameter being visited, segments joined by dots.
#[derive(Debug, Default)]
pub struct Path(String);

impl Path {
    /// Runs `f` with `segment` at the end of the path.
    pub fn within(&mut self, segment: impl std::fmt::Display, f: impl FnOnce(&mut Path)) {
        use std::fmt::Write as _;
        let len = self.0.len();
        let dot = if len == 0 { "" } else { "." };
        let _ = write!(self.0, "{dot}{segment}"); // writing to a string cannot fail
        f(self);
        self.0.truncate(len);
    }

    /// The name so far.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something that has named parameters: a layer, a block, a model, or a collection of them.
pub trait Params {
    /// Shows every parameter with its name, in the order of declaration.
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>));

    /// Shows every parameter with its name, to be changed, in the same order.
    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>));

    /// Sets every parameter as PyTorch initialises such a layer.
    fn init(&mut self, rng: &mut dyn RngCore);

    /// Says of every parameter, in the same order, whether training moves it. All are trained unless a layer says otherwise.
    fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
        self.visit(&mut Path::default(), &mut |_, _| f(Role::Trained));
    }
}

/// What training does with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// It moves by its gradient, and decays.
    Trained,
    /// It is saved with the model and stays as it was made.
    Frozen,
}

/// The role of every parameter, in the order of [`named_params`].
pub fn roles<M: Params + ?Sized>(model: &M) -> Vec<Role> {
    let mut all = Vec::new();
    model.visit_roles(&mut |role| all.push(role));
    all
}

impl<T: Params> Params for Vec<T> {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        for (i, item) in self.iter().enumerate() {
            path.within(i, |path| item.visit(path, f));
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        for (i, item) in self.iter_mut().enumerate() {
            path.within(i, |path| item.visit_mut(path, f));
        }
    }

    fn init(&mut self, rng: &mut dyn RngCore) {
        self.iter_mut().for_each(|item| item.init(rng));
    }

    fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
        self.iter().for_each(|item| item.visit_roles(f));
    }
}

impl<T: Params> Params for Option<T> {
    fn visit<'a>(&'a self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>)) {
        if let Some(item) = self {
            item.visit(path, f);
        }
    }

    fn visit_mut<'a>(&'a mut self, path: &mut Path, f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>)) {
        if let Some(item) = self {
            item.visit_mut(path, f);
        }
    }

    fn init(&mut self, rng: &mut dyn RngCore) {
        if let Some(item) = self {
            item.init(rng);
        }
    }

    fn visit_roles(&self, f: &mut dyn FnMut(Role)) {
        if let Some(item) = self {
            item.visit_roles(f);
        }
    }
}

/// Implements [`Params`] for a struct from a list of its fields; `field as "name"` where the name is no identifier.
///
/// ```
/// use diffplan_nn::{Linear, named_params, params};
///
/// struct Head { first: Linear, last: Linear }
/// params!(Head { first as "0", last as "2" });
///
/// let head = Head { first: Linear::zeros(4, 3), last: Linear::zeros(3, 1) };
/// let names: Vec<_> = named_params(&head).into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
/// ```
#[macro_export]
macro_rules! params {
    ($type:ty { $($field:ident $(as $name:literal)?),* $(,)? }) => {
        impl $crate::Params for $type {
            fn visit<'a>(
                &'a self,
                path: &mut $crate::Path,
                f: &mut dyn FnMut(&str, $crate::__private::ndarray::ArrayViewD<'a, f32>),
            ) {
                $(path.within($crate::params!(@name $field $($name)?), |path| $crate::Params::visit(&self.$field, path, f));)*
            }

            fn visit_mut<'a>(
                &'a mut self,
                path: &mut $crate::Path,
                f: &mut dyn FnMut(&str, $crate::__private::ndarray::ArrayViewMutD<'a, f32>),
            ) {
                $(path.within($crate::params!(@name $field $($name)?), |path| $crate::Params::visit_mut(&mut self.$field, path, f));)*
            }

            fn init(&mut self, rng: &mut dyn $crate::__private::RngCore) {
                $($crate::Params::init(&mut self.$field, rng);)*
            }

            fn visit_roles(&self, f: &mut dyn FnMut($crate::Role)) {
                $($crate::Params::visit_roles(&self.$field, f);)*
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

/// Shows one array under `segment`.
pub(crate) fn visit_leaf<'a, D: Dimension>(
    array: &'a ArrayBase<OwnedRepr<f32>, D>,
    segment: &str,
    path: &mut Path,
    f: &mut dyn FnMut(&str, ArrayViewD<'a, f32>),
) {
    path.within(segment, |path| f(path.as_str(), array.view().into_dyn()));
}

/// Shows one array under `segment`, to be changed.
pub(crate) fn visit_leaf_mut<'a, D: Dimension>(
    array: &'a mut ArrayBase<OwnedRepr<f32>, D>,
    segment: &str,
    path: &mut Path,
    f: &mut dyn FnMut(&str, ArrayViewMutD<'a, f32>),
) {
    path.within(segment, |path| f(path.as_str(), array.view_mut().into_dyn()));
}

/// Every parameter with its name.
pub fn named_params<M: Params + ?Sized>(model: &M) -> Vec<(String, ArrayViewD<'_, f32>)> {
    let mut all = Vec::new();
    model.visit(&mut Path::default(), &mut |name, view| {
        all.push((name.to_owned(), view))
    });
    all
}

/// Every parameter with its name, to be changed.
pub fn named_params_mut<M: Params + ?Sized>(model: &mut M) -> Vec<(String, ArrayViewMutD<'_, f32>)> {
    let mut all = Vec::new();
    model.visit_mut(&mut Path::default(), &mut |name, view| {
        all.push((name.to_owned(), view))
    });
    all
}

/// How many numbers the parameters hold.
pub fn count_params<M: Params + ?Sized>(model: &M) -> usize {
    let mut count = 0;
    model.visit(&mut Path::default(), &mut |_, view| count += view.len());
    count
}

/// A model of the same shape with every parameter zero: where gradients are accumulated.
pub fn zeros_like<M: Params + Clone>(model: &M) -> M {
    let mut zeros = model.clone();
    fill_zero(&mut zeros);
    zeros
}

/// Sets every parameter to zero.
pub fn fill_zero<M: Params + ?Sized>(model: &mut M) {
    model.visit_mut(&mut Path::default(), &mut |_, mut view| view.fill(0.0));
}

/// Adds every parameter of another model of the same shape.
pub fn add_params<M: Params>(sum: &mut M, other: &M) {
    for ((_, mut sum), (_, other)) in named_params_mut(sum).into_iter().zip(named_params(other)) {
        sum += &other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv1d, Linear};

    struct Block {
        layers: Vec<Linear>,
        residual: Option<Conv1d>,
        absent: Option<Linear>,
    }
    params!(Block {
        layers,
        residual,
        absent
    });

    fn block() -> Block {
        Block {
            layers: vec![Linear::zeros(2, 3), Linear::zeros(3, 1)],
            residual: Some(Conv1d::zeros(2, 1, 1).no_bias()),
            absent: None,
        }
    }

    #[test]
    fn names_follow_the_fields() {
        let block = block();
        let names: Vec<_> = named_params(&block)
            .into_iter()
            .map(|(name, view)| (name, view.shape().to_vec()))
            .collect();
        let expected = [
            ("layers.0.weight", vec![3, 2]),
            ("layers.0.bias", vec![3]),
            ("layers.1.weight", vec![1, 3]),
            ("layers.1.bias", vec![1]),
            ("residual.weight", vec![1, 2, 1]),
        ];
        assert_eq!(names, expected.map(|(name, shape)| (name.to_owned(), shape)));
        assert_eq!(count_params(&block), 6 + 3 + 3 + 1 + 2);
    }

    #[test]
    fn changes_through_the_visitor_are_seen() {
        let mut block = block();
        for (i, (_, mut view)) in named_params_mut(&mut block).into_iter().enumerate() {
            view.fill(i as f32);
        }
        let firsts: Vec<f32> = named_params(&block)
            .iter()
            .filter_map(|(_, v)| v.first().copied())
            .collect();
        assert_eq!(firsts, [0.0, 1.0, 2.0, 3.0, 4.0]);
    }
}
