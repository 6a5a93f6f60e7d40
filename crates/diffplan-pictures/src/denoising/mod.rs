//! [`Recording`]: a plan and how it came out of noise, timestep by timestep. As an animation: the candidates in the environment's own
//! picture, and beside it over the horizon. As one picture: every dimension, the values on the way, and what no guidance gives.

mod animation;
mod side;
mod still;
mod values;

use crate::error::Result;
use crate::gif::encode as gif;
use crate::stage::Stage;
use crate::watch::Watch;
use animation::{Animation, panels};
use diffplan_eval::Names;
use diffplan_pipelines::{Condition, NoiseSource, Plan, PlanOptions, Planner, Query, ValueGuidedPipeline};
use ndarray::{Array1, Array3, ArrayView1, Axis};
use std::ops::Range;

pub use still::PlanView;

const FILE: &str = "denoising.gif";
/// Timesteps shown, of plans that take more.
const MOST_MOMENTS: usize = 50;
/// Candidates shown, the one that is chosen among them.
const MOST_CANDIDATES: usize = 48;

/// Hundredths of a second: of noise, of all moments between, of the plan.
const FIRST: u16 = 80;
const BETWEEN: Range<u16> = 7..20;
const LAST: u16 = 350;

/// A plan in the making, recorded.
pub struct Recording {
    /// In order; the plan itself is not among them.
    moments: Vec<Moment>,
    plan: Plan,
    timesteps: usize,
    options: PlanOptions,
}

/// What the networks were handed at a timestep.
struct Moment {
    /// Which visit of the plan it is, from 0.
    visit: usize,
    timestep: f32,
    /// Of the candidates in the order they were made; none without guidance.
    values: Option<Array1<f32>>,
    /// (batch, horizon, dimensions), normalised.
    sample: Array3<f32>,
    /// What the network took the finished plan to be; as the sample.
    predicted: Array3<f32>,
}

/// One frame of the animation.
struct Scene {
    caption: String,
    /// (candidates, horizon, dimensions) in the environment's units, the chosen one first.
    candidates: Array3<f32>,
}

impl Recording {
    /// Makes a plan as [`Planner::plan`] does, and keeps what it went through.
    ///
    /// # Errors
    /// As there.
    pub fn make(planner: &mut Planner, observation: ArrayView1<f32>, noise: &mut dyn NoiseSource) -> Result<Self> {
        let conditions = [Condition::observation(0, observation)];
        Self::of(planner, Query::new(&conditions, noise))
    }

    /// Makes the plan of any query, goals and a start among it, and keeps what it went through.
    ///
    /// # Errors
    /// As [`Planner::plan_queries`].
    pub fn of(planner: &mut Planner, query: Query) -> Result<Self> {
        let (mut moments, mut timesteps) = (Vec::new(), 0);
        let options = planner.options().clone();
        let mut queries = [query];
        let mut denoising = planner.begin(&mut queries)?;
        while let Some(step) = denoising.step()? {
            timesteps = step.visits;
            let each = step.visits.div_ceil(MOST_MOMENTS);
            if step.visit % each == 0 {
                moments.push(Moment {
                    visit: step.visit,
                    timestep: step.timestep,
                    values: step.values.map(|values| values.to_owned()),
                    sample: step.guided.to_owned(),
                    predicted: step.original.to_owned(),
                });
            }
        }
        let plan = denoising.finish()?.remove(0);
        Ok(Self {
            moments,
            plan,
            timesteps,
            options,
        })
    }

    /// What came of it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The animation, encoded GIF, with a title to which numbers are added, and the dimensions by their names. With a stage,
    /// which is in the state planned from, the paths are drawn on it.
    ///
    /// # Errors
    /// What a normaliser or the stage says.
    pub fn gif(
        &self,
        pipeline: &ValueGuidedPipeline,
        (title, names): (String, &Names),
        stage: Option<&Stage>,
        watch: &dyn Watch,
    ) -> Result<Vec<u8>> {
        let scenes = self.scenes(pipeline)?;
        let layout = pipeline.layout();
        let animation = Animation {
            title: self.title(&title),
            panels: panels(&scenes, names, layout),
            scenes,
            stage,
            layout,
        };
        let delays = self.delays();
        watch.expect(delays.len());
        gif(FILE, &delays, &mut |i| {
            watch.step();
            animation.frame(i)
        })
    }

    fn title(&self, title: &str) -> String {
        let (horizon, timesteps) = (self.plan.trajectories.len_of(Axis(1)), self.timesteps);
        let plural = if timesteps == 1 { "" } else { "s" };
        format!("{title}   ·   horizon {horizon}, denoised in {timesteps} step{plural}")
    }

    /// As many as scenes.
    fn delays(&self) -> Vec<u16> {
        let between = (400 / self.moments.len().max(1)) as u16;
        let mut delays = vec![between.clamp(BETWEEN.start, BETWEEN.end); self.moments.len()];
        if let Some(first) = delays.first_mut() {
            *first = FIRST;
        }
        delays.push(LAST);
        delays
    }

    /// The moments, then the plan: always the same candidates, the one that is chosen in the end first.
    fn scenes(&self, pipeline: &ValueGuidedPipeline) -> Result<Vec<Scene>> {
        let chosen = self.plan.order[self.plan.chosen];
        let others = self.plan.order.iter().copied().filter(|&candidate| candidate != chosen);
        let shown: Vec<usize> = std::iter::once(chosen).chain(others).take(MOST_CANDIDATES).collect();
        let mut scenes = Vec::with_capacity(self.moments.len() + 1);
        for moment in &self.moments {
            let mut candidates = moment.sample.select(Axis(0), &shown);
            pipeline.denormalize(candidates.view_mut())?;
            let timestep = moment.timestep;
            scenes.push(Scene {
                caption: match &moment.values {
                    Some(values) => format!("timestep {timestep}   ·   {}", describe(values)),
                    None => format!("timestep {timestep}"),
                },
                candidates,
            });
        }
        // In the order of the plan, which is sorted.
        let place = |&candidate: &usize| self.plan.order.iter().position(|&other| other == candidate);
        let places: Vec<usize> = shown.iter().filter_map(place).collect();
        scenes.push(Scene {
            caption: match &self.plan.values {
                Some(values) => format!("the plan   ·   {}", describe(values)),
                None => "the plan".into(),
            },
            candidates: self.plan.trajectories.select(Axis(0), &places),
        });
        Ok(scenes)
    }
}

fn describe(values: &Array1<f32>) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    match sorted.as_slice() {
        [] => String::new(),
        [value] => format!("value {value:.2}"),
        [.., best] => format!("values: best {best:.2}, median {:.2}", sorted[sorted.len() / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::values::Values;
    use super::*;
    use ndarray::array;

    #[test]
    fn values_are_told_by_the_best_and_the_middle() {
        assert_eq!(describe(&array![0.25]), "value 0.25");
        assert_eq!(describe(&array![-1.0, 3.0, 2.0]), "values: best 3.00, median 2.00");
        assert_eq!(describe(&array![]), "");
    }

    /// A plan of the checkpoint for Pendulum-v1 in three steps.
    fn recording(change: impl FnOnce(&mut PlanOptions)) -> (ValueGuidedPipeline, Recording) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/pendulum-hor32");
        let pipeline = ValueGuidedPipeline::from_pretrained(folder).unwrap();
        let mut options = PlanOptions {
            batch_size: 4,
            num_inference_steps: Some(3),
            ..pipeline.options()
        };
        change(&mut options);
        let mut planner = pipeline.planner(options).unwrap();
        let mut noise = diffplan_pipelines::RngNoise::seed(3);
        let recording = Recording::make(&mut planner, array![-1.0, 0.0, 0.5].view(), &mut noise).unwrap();
        (pipeline, recording)
    }

    #[test]
    fn values_are_those_that_the_planner_saw() {
        let (pipeline, rescored) = recording(|options| options.rescore = true);
        let values = Values::of(&rescored, &pipeline).unwrap().unwrap();
        assert_eq!((&values.visits[..], values.values.dim()), (&[0, 1, 2][..], (4, 4)));
        let plan = rescored.plan();
        let returns = pipeline.returns(plan.values.as_ref().unwrap().view()).unwrap().unwrap();
        for (expected, &candidate) in returns.iter().zip(&plan.order) {
            let found = values.last()[candidate];
            assert!((found - f64::from(*expected)).abs() < 1e-4, "{found} {expected}");
        }
        let unguided = pipeline.with_guides([]);
        assert!(Values::of(&rescored, &unguided).unwrap().is_none());
    }

    #[test]
    fn a_plan_is_drawn_in_a_plane_and_beside_another() {
        let names = Names::of(None, 3, 1);
        let (pipeline, guided) = recording(|_| ());
        let (_, unguided) = recording(|options| options.n_guide_steps = 0);
        let (_, shorter) = recording(|options| options.batch_size = 2);
        let plane = crate::Plane::of([-1.5, -1.5, 1.5, 1.5]);
        let draw = |dims: [usize; 2], unguided: Option<&Recording>| {
            let view = PlanView {
                plane: Some((&plane, dims)),
                unguided,
                ..PlanView::default()
            };
            guided.png(&pipeline, ("A plan".into(), &names), &view)
        };
        let (alone, compared) = (draw([0, 1], None).unwrap(), draw([0, 1], Some(&unguided)).unwrap());
        let size = |file: &[u8]| {
            let (width, height, _) = crate::chart::tests::decode(file);
            (width, height)
        };
        assert!(
            size(&compared).1 > size(&alone).1,
            "{:?} {:?}",
            size(&compared),
            size(&alone)
        );
        assert!(
            draw([0, 1], Some(&unguided)).unwrap() == compared,
            "the same every time"
        );
        let error = draw([0, 3], None).unwrap_err().to_string();
        assert!(error.contains("dimension 3") && error.contains("0 to 2"), "{error}");
        let error = draw([0, 1], Some(&shorter)).unwrap_err().to_string();
        assert!(error.contains("(4, 32, 4)") && error.contains("(2, 32, 4)"), "{error}");
        let chart = guided
            .png(&pipeline, ("A plan".into(), &names), &PlanView::default())
            .unwrap();
        assert!(size(&chart).1 < size(&alone).1, "values and dimensions alone");
    }
}
