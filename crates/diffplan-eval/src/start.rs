//! [`Start`]: where an episode begins, and all that decides how it goes on.

use diffplan_envs::ResetOptions;
use diffplan_pipelines::RngNoise;

/// Where an episode begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// Which episode it is: what results and errors call it.
    pub index: usize,
    /// What the environment is reset with, and what a policy's own randomness comes from.
    pub seed: u64,
    /// The noise of the episode's plans.
    pub noise: RngNoise,
    /// What else the environment is reset with, such as the goal.
    pub reset: ResetOptions,
}

impl Start {
    /// Episode 0, 1, 2, … of a seed, as `diffplan rollout` plays them: episode i is reset with `seed + i`, and its noise is
    /// the i-th fork of [`RngNoise::seed`]. It depends on `seed` and i alone, so any of them may be taken and any left out.
    ///
    /// ```
    /// use diffplan_eval::Start;
    ///
    /// let missing: Vec<Start> = Start::seeded(1000).take(5).filter(|start| start.index % 2 == 1).collect();
    /// assert_eq!(missing.iter().map(|start| start.seed).collect::<Vec<_>>(), [1001, 1003]);
    /// ```
    pub fn seeded(seed: u64) -> impl Iterator<Item = Self> {
        let mut noise = RngNoise::seed(seed);
        (0..).map_while(move |index| {
            Some(Self {
                index,
                seed: seed.checked_add(index as u64)?,
                noise: noise.fork(),
                reset: ResetOptions::default(),
            })
        })
    }

    /// One episode of its own, whose noise comes from the policy's seed of it: what `diffplan data collect` plays.
    pub fn alone(index: usize, seed: u64) -> Self {
        Self {
            index,
            seed,
            noise: RngNoise::seed(policy_seed(seed)),
            reset: ResetOptions::default(),
        }
    }

    /// Reset with these options.
    #[must_use]
    pub fn with_reset(mut self, options: ResetOptions) -> Self {
        self.reset = options;
        self
    }
}

/// The random stream of an episode's policy: another than the environment's, which starts from the seed itself.
pub(crate) fn policy_seed(seed: u64) -> u64 {
    // SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
