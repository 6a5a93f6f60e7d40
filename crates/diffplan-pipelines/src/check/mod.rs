//! Whether guides are right, and how strong they should be: [`gradient`](check_guide) against finite differences, [`scale`](propose_scale) beside the
//! sampler's own steps.

mod differences;
mod gradient;
mod scale;

pub use gradient::{Difference, GradientReport, Verdict, check_cost, check_guide, check_guides};
pub use scale::{GuideScale, ScaleReport, Spread, propose_scale};
