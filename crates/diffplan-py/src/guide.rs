//! Functions of Python as guides.

use crate::arrays;
use crate::errors::Trouble;
use diffplan::data::Normalizers;
use diffplan::models::Compute;
use diffplan::ndarray::{Array3, ArrayView3, ArrayViewMut1, ArrayViewMut3, Axis, Ix1, Ix3, Slice};
use diffplan::pipelines::{
    Error, Guide, GuideSchedule, GuideSession, GuideTerm, Moment, Result, SampleLayout, Sees, ValueGuidedPipeline,
};
use numpy::PyArray;
use pyo3::intern;
use pyo3::prelude::*;
use std::sync::Arc;

/// `function(trajectories, timestep)` gives `(values, gradient)`: shapes (batch, horizon, dimensions) to (batch,) and the same as it was
/// given.
#[derive(Debug)]
struct PythonGuide {
    function: Py<PyAny>,
    name: String,
    sees: Sees,
    /// Where it is shown the environment's units.
    units: Option<Units>,
}

#[derive(Debug)]
struct Units {
    layout: SampleLayout,
    normalizers: Normalizers,
}

impl Units {
    /// `by` of every action's and observation's normaliser, in place.
    fn each(
        &self,
        x: &mut Array3<f32>,
        by: fn(&diffplan::data::Normalizer, ArrayViewMut3<f32>) -> std::result::Result<(), diffplan::data::Error>,
    ) -> Result<()> {
        let parts = [
            (self.layout.actions(), self.normalizers.actions()),
            (self.layout.observations(), self.normalizers.observations()),
        ];
        for (own, normalizer) in parts {
            if !own.is_empty() {
                by(normalizer, x.slice_axis_mut(Axis(2), Slice::from(own)))?;
            }
        }
        Ok(())
    }
}

impl Guide for PythonGuide {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, _: usize, _: usize) -> Result<()> {
        Ok(())
    }

    fn sees(&self) -> Sees {
        self.sees
    }

    fn session(self: Arc<Self>, _: Compute) -> Box<dyn GuideSession> {
        Box::new(Session(self))
    }
}

struct Session(Arc<PythonGuide>);

impl Session {
    fn ask(
        &self,
        trajectories: ArrayView3<f32>,
        at: Moment,
        values: ArrayViewMut1<f32>,
        grad: Option<ArrayViewMut3<f32>>,
    ) -> Result<()> {
        let guide = &*self.0;
        let mut seen = trajectories.to_owned();
        let mut slopes = None;
        if let Some(units) = &guide.units {
            if grad.is_some() {
                let mut at = seen.clone();
                units.each(&mut at, |normalizer, x| normalizer.slope_inplace(x))?;
                slopes = Some(at);
            }
            units.each(&mut seen, |normalizer, x| normalizer.denormalize_inplace(x))?;
        }
        let asked = Python::attach(|py| guide.call(py, seen, at.timestep, values, grad, slopes));
        asked.map_err(|error| Error::Guide(Box::new(error)))
    }
}

impl PythonGuide {
    fn call(
        &self,
        py: Python<'_>,
        seen: Array3<f32>,
        timestep: f32,
        mut values: ArrayViewMut1<f32>,
        grad: Option<ArrayViewMut3<f32>>,
        slopes: Option<Array3<f32>>,
    ) -> PyResult<()> {
        let shape = seen.shape().to_vec();
        let given = self
            .function
            .bind(py)
            .call1((PyArray::from_owned_array(py, seen), timestep))?;
        let wrong = |what: String| -> PyErr {
            let message = format!(
                "the guide {} gave {what}, expected values of shape ({},) and their gradient of shape {}",
                self.name,
                shape.first().copied().unwrap_or_default(),
                arrays::tuple(&shape)
            );
            Trouble::new("InvalidValue", "guide", message).into()
        };
        let (valued, gradient): (Bound<'_, PyAny>, Bound<'_, PyAny>) = given
            .extract()
            .map_err(|_| wrong("something other than a pair".into()))?;
        let valued = arrays::of_rank::<Ix1>(&valued, "the guide's values", "(batch,)")?;
        if valued.len() != values.len() {
            return Err(wrong(format!("values of shape ({},)", valued.len())));
        }
        values.assign(&valued);
        let Some(mut grad) = grad else { return Ok(()) };
        let gradient = arrays::of_rank::<Ix3>(&gradient, "the guide's gradient", "(batch, horizon, dimensions)")?;
        if gradient.dim() != grad.dim() {
            return Err(wrong(format!(
                "a gradient of shape {}",
                arrays::tuple(gradient.shape())
            )));
        }
        grad.assign(&gradient);
        if let Some(slopes) = slopes {
            grad.zip_mut_with(&slopes, |grad, slope| *grad *= slope);
        }
        Ok(())
    }
}

/// One of a list of words.
fn word<T: Copy>(name: &str, text: &str, known: &[(&str, T)]) -> PyResult<T> {
    match known.iter().find(|(word, _)| *word == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            Err(Trouble::value(format!("{name} = {text:?}: expected one of {}", words.join(", "))).into())
        }
    }
}

/// A `Guide` of Python as a term of a pipeline's.
pub(crate) fn term(pipeline: &ValueGuidedPipeline, guide: &Bound<'_, PyAny>) -> PyResult<GuideTerm> {
    let py = guide.py();
    let text = |name| -> PyResult<String> { guide.getattr(name)?.extract() };
    let sees = word(
        "sees",
        &text("sees")?,
        &[("noised", Sees::Noised), ("clean", Sees::Clean)],
    )?;
    let schedule = word(
        "schedule",
        &text("schedule")?,
        &[
            ("guidance", GuideSchedule::Guidance),
            ("constant", GuideSchedule::Constant),
            ("rising", GuideSchedule::Rising),
            ("judge", GuideSchedule::Judge),
        ],
    )?;
    let units = word(
        "units",
        &text("units")?,
        &[("environment", true), ("normalized", false)],
    )?;
    let units = units.then(|| Units {
        layout: pipeline.layout().clone(),
        normalizers: pipeline.normalizers().clone(),
    });
    let (weight, range): (f32, (f32, f32)) = (
        guide.getattr(intern!(py, "weight"))?.extract()?,
        guide.getattr(intern!(py, "range"))?.extract()?,
    );
    if !weight.is_finite() {
        return Err(Trouble::value(format!("weight = {weight}: expected a finite number")).into());
    }
    let own = PythonGuide {
        function: guide.getattr(intern!(py, "function"))?.unbind(),
        name: text("name")?,
        sees,
        units,
    };
    Ok(GuideTerm::new(weight, Arc::new(own))
        .schedule(schedule)
        .range([range.0, range.1]))
}

impl GuideSession for Session {
    fn value_and_grad(
        &mut self,
        trajectories: ArrayView3<f32>,
        at: Moment,
        values: ArrayViewMut1<f32>,
        grad: ArrayViewMut3<f32>,
    ) -> Result<()> {
        self.ask(trajectories, at, values, Some(grad))
    }

    fn value(&mut self, trajectories: ArrayView3<f32>, at: Moment, values: ArrayViewMut1<f32>) -> Result<()> {
        self.ask(trajectories, at, values, None)
    }
}
