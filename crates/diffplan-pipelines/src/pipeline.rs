//! [`ValueGuidedPipeline`]: the parts of a planner, from a folder or from anywhere.

use crate::action::{ActionHead, OwnActions};
use crate::condition::Condition;
use crate::constraint::{Constraint, Constraints};
use crate::error::{Error, Result};
use crate::guide::{Guide, GuideTerm, Weighted};
use crate::layout::SampleLayout;
use crate::options::{PlanOptions, PlanningConfig, TrainedConditions};
use crate::select::{ByValue, Select};
use crate::units::denormalize;
use diffplan_data::Normalizers;
use diffplan_models::Network;
use diffplan_schedulers::{Registry as Schedulers, Scheduler};
use ndarray::{Array1, ArrayView1, ArrayViewMut, Axis, Dimension, RemoveAxis};
use std::sync::Arc;

/// diffusers' `ValueGuidedRLPipeline`: planner network, guides, scheduler, normalisers, and what is said about how to plan.
///
/// It is immutable and cheap to clone: its parts are shared. [`planner`](Self::planner) makes what plans, with a clone of it
/// inside.
#[derive(Clone, Debug)]
pub struct ValueGuidedPipeline {
    pub(crate) network: Arc<dyn Network>,
    pub(crate) guides: Weighted,
    pub(crate) constraints: Constraints,
    pub(crate) scheduler: Arc<dyn Scheduler>,
    pub(crate) schedulers: Schedulers,
    pub(crate) normalizers: Arc<Normalizers>,
    pub(crate) layout: SampleLayout,
    pub(crate) select: Arc<dyn Select>,
    pub(crate) head: Arc<dyn ActionHead>,
    planning_config: PlanningConfig,
    pub(crate) notes: Vec<String>,
}

impl ValueGuidedPipeline {
    /// A pipeline of parts.
    ///
    /// Actions come first in a sample, as many as their normaliser has dimensions; where the normalisers do not say (scalar ones), as
    /// many as are left of the observations', or one. [`with_layout`](Self::with_layout) says otherwise.
    ///
    /// # Errors
    /// [`Error::Parts`] where they do not fit each other.
    pub fn new(
        network: Arc<dyn Network>,
        guide: Arc<dyn Guide>,
        scheduler: Arc<dyn Scheduler>,
        normalizers: Normalizers,
    ) -> Result<Self> {
        Ok(Self::without_guide(network, scheduler, normalizers)?.with_guide(guide))
    }

    /// A pipeline that nothing guides.
    ///
    /// # Errors
    /// As [`ValueGuidedPipeline::new`].
    pub fn without_guide(
        network: Arc<dyn Network>,
        scheduler: Arc<dyn Scheduler>,
        normalizers: Normalizers,
    ) -> Result<Self> {
        let channels = network.signature().sample_channels;
        let (actions, observations) = (
            normalizers.actions().dimensions(),
            normalizers.observations().dimensions(),
        );
        let action_dim = match (actions, observations) {
            (Some(actions), _) => actions,
            (None, Some(observations)) => channels.saturating_sub(observations),
            // To be told by with_action_dim; until then any number that leaves something of both.
            (None, None) => 1,
        };
        let pipeline = Self {
            network,
            guides: Weighted::default(),
            constraints: Constraints::default(),
            scheduler,
            schedulers: Schedulers::builtin(),
            normalizers: normalizers.into(),
            layout: SampleLayout::action_first(action_dim, channels.saturating_sub(action_dim)),
            select: Arc::new(ByValue),
            head: Arc::new(OwnActions::default()),
            planning_config: PlanningConfig::default(),
            notes: Vec::new(),
        };
        pipeline.check_action_dim(action_dim)?;
        pipeline.check()?;
        Ok(pipeline)
    }

    /// So many action dimensions, then observations: needed where no normaliser tells them.
    ///
    /// # Errors
    /// [`Error::Parts`] where they do not fit the network.
    pub fn with_action_dim(self, action_dim: usize) -> Result<Self> {
        self.check_action_dim(action_dim)?;
        let channels = self.network.signature().sample_channels;
        self.with_layout(SampleLayout::action_first(action_dim, channels - action_dim))
    }

    /// Actions and observations elsewhere in a sample.
    ///
    /// # Errors
    /// [`Error::Parts`] where that does not fit the network or the normalisers.
    pub fn with_layout(mut self, layout: SampleLayout) -> Result<Self> {
        self.layout = layout;
        self.check()?;
        Ok(self)
    }

    /// With these defaults of the checkpoint's own.
    #[must_use]
    pub fn with_planning_config(mut self, config: PlanningConfig) -> Self {
        self.planning_config = config;
        self
    }

    /// Guided by this alone.
    #[must_use]
    pub fn with_guide(self, guide: Arc<dyn Guide>) -> Self {
        self.with_guides([(1.0, guide)])
    }

    /// Guided by the weighted sum of these.
    #[must_use]
    pub fn with_guides(mut self, guides: impl IntoIterator<Item = (f32, Arc<dyn Guide>)>) -> Self {
        let terms = guides.into_iter().map(|(weight, guide)| GuideTerm::new(weight, guide));
        self.guides = Weighted(terms.collect());
        self
    }

    /// Guided by the weighted sum of these, each by its own schedule.
    #[must_use]
    pub fn with_terms(mut self, terms: impl IntoIterator<Item = GuideTerm>) -> Self {
        self.guides = Weighted(terms.into_iter().collect());
        self
    }

    /// With these constraints, in the order in which they are imposed: where they contradict each other, the last wins until the
    /// next round.
    #[must_use]
    pub fn with_constraints(mut self, constraints: impl IntoIterator<Item = Arc<dyn Constraint>>) -> Self {
        self.constraints = Constraints(constraints.into_iter().collect());
        self
    }

    /// With this scheduler.
    #[must_use]
    pub fn with_scheduler(mut self, scheduler: Arc<dyn Scheduler>) -> Self {
        self.scheduler = scheduler;
        self
    }

    /// With these classes for the option `scheduler` to choose from.
    #[must_use]
    pub fn with_schedulers(mut self, schedulers: Schedulers) -> Self {
        self.schedulers = schedulers;
        self
    }

    /// With this choice of a candidate.
    #[must_use]
    pub fn with_select(mut self, select: Arc<dyn Select>) -> Self {
        self.select = select;
        self
    }

    /// With this way from a candidate to actions.
    #[must_use]
    pub fn with_head(mut self, head: Arc<dyn ActionHead>) -> Self {
        self.head = head;
        self
    }

    fn check_action_dim(&self, action_dim: usize) -> Result<()> {
        let channels = self.network.signature().sample_channels;
        if action_dim == 0 || action_dim >= channels {
            return Err(Error::Parts(format!(
                "{action_dim} action dimensions in a network of {channels} channels: expected at least one action and one \
                 observation"
            )));
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let signature = self.network.signature();
        let channels = signature.sample_channels;
        if signature.out_channels != channels {
            return Err(Error::Parts(format!(
                "the planner network takes {channels} channels and gives {}: expected as many",
                signature.out_channels
            )));
        }
        if self.layout.channels() != channels {
            return Err(Error::Parts(format!(
                "a layout of {} actions and {} observations for a network of {channels} channels",
                self.layout.actions().len(),
                self.layout.observations().len()
            )));
        }
        let fits = |actual: Option<usize>, expected: usize, key: &str| match actual {
            Some(actual) if expected > 0 && actual != expected => Err(Error::Parts(format!(
                "the normaliser of {key} has {actual} dimensions, expected {expected}: the planner network takes {channels} \
                 channels, {} of them actions",
                self.layout.actions().len()
            ))),
            _ => Ok(()),
        };
        fits(self.normalizers.actions().dimensions(), self.action_dim(), "actions")?;
        fits(
            self.normalizers.observations().dimensions(),
            self.observation_dim(),
            "observations",
        )
    }

    /// The options that a call uses where nothing else is said: the checkpoint's own, over those of the reference.
    pub fn options(&self) -> PlanOptions {
        let mut defaults = PlanOptions::default();
        if !self.guides.bend() {
            // Guides that only judge are asked about finished plans.
            (defaults.n_guide_steps, defaults.rescore) = (0, !self.guides.0.is_empty());
        }
        self.planning_config.over(defaults)
    }

    /// What the checkpoint says about planning.
    pub fn planning_config(&self) -> &PlanningConfig {
        &self.planning_config
    }

    /// Dimensions of an action.
    pub fn action_dim(&self) -> usize {
        self.layout.actions().len()
    }

    /// Dimensions of an observation.
    pub fn observation_dim(&self) -> usize {
        self.layout.observations().len()
    }

    /// Where actions and observations lie in a sample.
    pub fn layout(&self) -> &SampleLayout {
        &self.layout
    }

    /// The planner network.
    pub fn network(&self) -> &Arc<dyn Network> {
        &self.network
    }

    /// What guides, with weights.
    pub fn guides(&self) -> &[GuideTerm] {
        &self.guides.0
    }

    /// What must hold of plans.
    pub fn constraints(&self) -> &[Arc<dyn Constraint>] {
        &self.constraints.0
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &Arc<dyn Scheduler> {
        &self.scheduler
    }

    /// What a plan of this horizon needs to be made from an observation where nobody says a goal: of a checkpoint that was trained with goals, the way back
    /// to the observation. For timing.
    pub fn conditions_of<'a>(&self, observation: &'a Array1<f32>, horizon: usize) -> Vec<Condition<'a>> {
        let mut conditions = vec![Condition::observation(0, observation)];
        if self.planning_config.conditions == Some(TrainedConditions::Goal) && horizon > 1 {
            conditions.push(Condition::observation(horizon - 1, observation));
        }
        conditions
    }

    /// From the networks' units to the environment's, in place: `trajectories` (…, action + observation dimensions) as a plan in the making has them.
    ///
    /// # Errors
    /// If they have other dimensions.
    pub fn denormalize<D: Dimension + RemoveAxis>(&self, trajectories: ArrayViewMut<'_, f32, D>) -> Result<()> {
        denormalize(&self.layout, &self.normalizers, trajectories)
    }

    /// Values of plans (any number) as the discounted returns that they stand for, in the environment's units. `None` where the checkpoint has no
    /// statistics of values, or a plan's value is another thing than one learned return: a cost counts in it, or several values do.
    ///
    /// # Errors
    /// [`Error::Normalizer`] if the statistics are of more than one number.
    pub fn returns(&self, values: ArrayView1<f32>) -> Result<Option<Array1<f32>>> {
        let mut counting = self.guides.0.iter().filter(|term| term.weight != 0.0);
        let alone = counting.next().filter(|_| counting.next().is_none());
        let learned = alone.is_some_and(|term| term.weight == 1.0 && term.guide.is_return());
        match self.normalizers.values().filter(|_| learned) {
            // A value each is a row of one.
            Some(normalizer) => {
                let returns = normalizer.denormalize(values.insert_axis(Axis(1)))?;
                Ok(Some(returns.remove_axis(Axis(1))))
            }
            None => Ok(None),
        }
    }

    /// The normalisers.
    pub fn normalizers(&self) -> &Normalizers {
        &self.normalizers
    }

    /// What was odd and harmless in the files it was loaded from, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
