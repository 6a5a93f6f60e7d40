//! Arrays of NumPy, and what passes for one, as ndarray's; and back.
//!
//! In: float32 of any strides is copied, or [seen](Seen) where it lies; other real numbers (float64, float16, integers, truth values, lists of
//! such) are rounded to float32; anything else is refused by its name and dtype. Arrays of other libraries, torch's tensors among them, come by
//! DLPack, without a copy of their own. Out: handed over, without a copy, to [the library](give_back) that the input came from.

use crate::errors::Trouble;
use diffplan::ndarray::{Array, Array1, ArrayD, ArrayView, Dimension};
use numpy::{
    PyArray, PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::intern;
use pyo3::prelude::*;

fn wrong_type(message: String) -> PyErr {
    Trouble::new("InvalidType", "dtype", message).into()
}

/// Numbers of any shape.
pub(crate) fn numbers(value: &Bound<'_, PyAny>, name: &str) -> PyResult<ArrayD<f32>> {
    let py = value.py();
    if let Ok(array) = value.cast::<PyArrayDyn<f32>>()
        && array.is_aligned()
    {
        return copied(array, name);
    }
    if let Ok(array) = value.cast::<PyArrayDyn<f64>>()
        && array.is_aligned()
    {
        return Ok(copied(array, name)?.mapv(|number| number as f32));
    }
    let told = |what: String| wrong_type(format!("{name} is {what}, expected an array of real numbers (float32)"));
    let made;
    let array = match value.cast::<PyUntypedArray>() {
        Ok(array) => array,
        Err(_) => {
            made = of_others(value).map_err(|error| {
                let raised = told(format!("a {}, of which NumPy makes no array: {}", type_name(value), error.value(py)));
                raised.set_cause(py, Some(error));
                raised
            })?;
            if let Ok(array) = made.cast::<PyArrayDyn<f32>>()
                && array.is_aligned()
            {
                return copied(array, name);
            }
            made.cast::<PyUntypedArray>()
                .map_err(|_| told(format!("a {}", type_name(value))))?
        }
    };
    let dtype = array.dtype();
    if !matches!(dtype.kind(), b'f' | b'i' | b'u' | b'b') {
        let of = if value.is_instance_of::<PyUntypedArray>() {
            String::new()
        } else {
            format!("a {} that becomes ", type_name(value))
        };
        return Err(told(format!("{of}an array of dtype {dtype}")));
    }
    let converted = array.call_method1(intern!(py, "astype"), (numpy::dtype::<f32>(py),))?;
    copied(converted.cast::<PyArrayDyn<f32>>()?, name)
}

/// What is no array of NumPy as one: by DLPack, where the two look at the same memory, or as NumPy makes one.
fn of_others<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let numpy = numpy::get_array_module(py)?;
    // NumPy has it from 1.23 on.
    match value.hasattr(intern!(py, "__dlpack__"))? && numpy.hasattr(intern!(py, "from_dlpack"))? {
        true => numpy.call_method1(intern!(py, "from_dlpack"), (value,)),
        false => numpy.call_method1(intern!(py, "asarray"), (value,)),
    }
}

/// Numbers that are looked at where they lie, if they are float32, and else converted. Whoever changes them meanwhile changes what is seen.
pub(crate) enum Seen<'py> {
    There(PyReadonlyArrayDyn<'py, f32>),
    Made(ArrayD<f32>),
}

impl Seen<'_> {
    pub(crate) fn view<D: Dimension>(&self, name: &str, axes: &str) -> PyResult<ArrayView<'_, f32, D>> {
        let view = match self {
            Self::There(array) => array.as_array(),
            Self::Made(array) => array.view(),
        };
        let shape = view.shape().to_vec();
        view.into_dimensionality().map_err(|_| wrong_shape(name, &shape, axes))
    }
}

/// Numbers of any shape, where they lie if they can be taken as they are.
pub(crate) fn seen<'py>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<Seen<'py>> {
    let there = |array: &Bound<'py, PyAny>| -> Option<Seen<'py>> {
        let array = array.cast::<PyArrayDyn<f32>>().ok()?;
        // Of empty ones, the strides mean nothing.
        let plain = array.is_aligned() && array.ndim() <= MOST_AXES && !array.is_empty();
        plain.then(|| array.try_readonly().ok().map(Seen::There)).flatten()
    };
    if let Some(seen) = there(value) {
        return Ok(seen);
    }
    if !value.is_instance_of::<PyUntypedArray>()
        && let Ok(made) = of_others(value)
        && let Some(seen) = there(&made)
    {
        return Ok(seen);
    }
    numbers(value, name).map(Seen::Made)
}

/// `array` for whoever brought `like`: an array of NumPy, or, by DLPack and without a copy, of the library that `like` is of.
pub(crate) fn give_back<D: Dimension>(like: &Bound<'_, PyAny>, array: Array<f32, D>) -> PyResult<Py<PyAny>> {
    let py = like.py();
    let array = PyArray::from_owned_array(py, array).into_any();
    if like.is_instance_of::<PyUntypedArray>() || !like.hasattr(intern!(py, "__dlpack__"))? {
        return Ok(array.unbind());
    }
    let library = match like.getattr_opt(intern!(py, "__array_namespace__"))? {
        Some(namespace) => namespace.call0()?,
        // torch has none: its functions are in the package that its types are of.
        None => {
            let module: String = like.get_type().getattr(intern!(py, "__module__"))?.extract()?;
            py.import(module.split('.').next().unwrap_or(&module))?.into_any()
        }
    };
    match library.getattr_opt(intern!(py, "from_dlpack"))? {
        Some(make) => Ok(make.call1((array,))?.unbind()),
        None => Ok(array.unbind()),
    }
}

/// More axes than anything here has; the library that makes ndarray's of NumPy's panics at 33.
const MOST_AXES: usize = 8;

/// A copy of an array that is aligned, and whose strides are therefore whole elements.
fn copied<T: numpy::Element + Clone + Default>(array: &Bound<'_, PyArrayDyn<T>>, name: &str) -> PyResult<ArrayD<T>> {
    if array.ndim() > MOST_AXES {
        let message = format!("{name} has {} axes, expected at most {MOST_AXES}", array.ndim());
        return Err(Trouble::new("InvalidValue", "shape", message).into());
    }
    match array.is_empty() {
        true => Ok(ArrayD::default(array.shape())),
        false => Ok(array.to_owned_array()),
    }
}

fn type_name(value: &Bound<'_, PyAny>) -> String {
    value
        .get_type()
        .qualname()
        .map_or_else(|_| "thing".into(), |name| name.to_string())
}

/// Numbers of `D`'s rank.
pub(crate) fn of_rank<D: Dimension>(value: &Bound<'_, PyAny>, name: &str, axes: &str) -> PyResult<Array<f32, D>> {
    let array = numbers(value, name)?;
    let shape = array.shape().to_vec();
    array.into_dimensionality::<D>().map_err(|_| wrong_shape(name, &shape, axes))
}

/// That a shape is another than it must be.
pub(crate) fn wrong_shape(name: &str, shape: &[usize], axes: &str) -> PyErr {
    Trouble::new(
        "InvalidValue",
        "shape",
        format!("{name} has shape {}, expected {axes}", tuple(shape)),
    )
    .into()
}

/// A vector.
pub(crate) fn vector(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Array1<f32>> {
    of_rank(value, name, "one axis")
}

/// A shape as Python writes it.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        shape => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// An array of NumPy that owns these numbers.
pub(crate) fn hand_over<T: numpy::Element, D: Dimension>(py: Python<'_>, array: Array<T, D>) -> Py<PyArray<T, D>> {
    PyArray::from_owned_array(py, array).unbind()
}

/// Timesteps: a number, or as many as there are samples.
pub(crate) fn timesteps(value: &Bound<'_, PyAny>, batch: usize) -> PyResult<Vec<f32>> {
    let times = numbers(value, "timestep")?;
    match times.len() {
        1 => Ok(times.into_iter().collect()),
        len if times.ndim() == 1 && len == batch => Ok(times.into_iter().collect()),
        _ => Err(Trouble::new(
            "InvalidValue",
            "shape",
            format!(
                "timestep has shape {}, expected a number, or ({batch},): one for each sample",
                tuple(times.shape())
            ),
        )
        .into()),
    }
}
