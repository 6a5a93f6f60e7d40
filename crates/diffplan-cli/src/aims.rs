//! Where plans are led: goals and waypoints that were typed, the environment's own, and the controller that steers along states.

use crate::args::AimArgs;
use crate::error::{Error, Result};
use diffplan_envs::{BoxEnv, Env, ResetOptions};
use diffplan_eval::{Aim, AimText, Names, PlannerPolicy};
use diffplan_pipelines::{Planner, TrainedConditions};
use ndarray::Array1;

/// Of a goal that was given: the option of an environment's reset.
const GOAL: &str = "goal";

/// Who acts by a planner's plans: led where it was said, with the controller that its options ask for.
pub(crate) fn planner_policy(planner: Planner, aim: &AimText, env: &BoxEnv) -> Result<PlannerPolicy> {
    let aim = Aim::parse(aim, &Names::of_env(env)?)?;
    Ok(PlannerPolicy::led(planner, aim, env)?)
}

/// Another policy than a planner has no plans to lead: all that can be said to it is the environment's goal.
pub(crate) fn check_other(policy: &str, aim: &AimArgs) -> Result<()> {
    match aim.given() {
        Some("goal") if aim.goal_time.is_none() && aim.waypoint.is_empty() => Ok(()),
        None => Ok(()),
        Some(flag) => Err(Error::FlagOfAnother {
            flag: if flag == GOAL && aim.goal_time.is_some() {
                "goal-time"
            } else {
                "waypoint"
            },
            policy: policy.to_owned(),
            expected: crate::args::PLANNER,
        }),
    }
}

/// What `env` is reset with so that its goal is the one that was given; nothing where none was, or it has no goals. `trained` is of the
/// planner, where one acts. The environment is reset to see it.
///
/// # Errors
/// If there is no goal for a planner that needs one, none that can be set for another policy, or the environment does not take it.
pub(crate) fn reset_of(
    env: &mut BoxEnv,
    seed: u64,
    aim: &AimText,
    trained: Option<Option<TrainedConditions>>,
) -> Result<ResetOptions> {
    let needs = trained == Some(Some(TrainedConditions::Goal));
    if !needs && aim.goal.is_none() {
        return Ok(ResetOptions::default());
    }
    let names = Names::of_env(env)?;
    let given = Aim::parse(aim, &names)?.goal;
    env.reset(Some(seed), &ResetOptions::default())?;
    match (given, env.goal()) {
        (None, Some(_)) => Ok(ResetOptions::default()),
        (None, None) => Err(no_goal("the environment has none of its own", &names)),
        (Some(given), None) if trained.is_some() => {
            drop(given);
            Ok(ResetOptions::default())
        }
        (Some(_), None) => Err(Error::Setting {
            name: GOAL,
            value: aim.goal.clone().unwrap_or_default(),
            expected: "none: the environment has no goals".into(),
        }),
        (Some(given), Some(own)) => {
            let number = |dim: &usize| {
                let place = given.dims.iter().position(|given| given == dim);
                place.and_then(|place| given.values.get(place)).copied()
            };
            let numbers: Option<Array1<f64>> = own.dims.iter().map(number).collect();
            let numbers = numbers.ok_or_else(|| {
                let dims: Vec<&str> = own
                    .dims
                    .iter()
                    .filter_map(|&dim| Some(names.observations.get(dim)?.as_str()))
                    .collect();
                Error::Setting {
                    name: GOAL,
                    value: aim.goal.clone().unwrap_or_default(),
                    expected: format!(
                        "numbers for {}, which goals of the environment are of",
                        dims.join(" and ")
                    ),
                }
            })?;
            let options = ResetOptions::from_iter([(GOAL, numbers)]);
            env.reset(Some(seed), &options)?;
            Ok(options)
        }
    }
}

/// There is no goal for plans of a checkpoint that was trained with goals.
pub(crate) fn no_goal(why: &str, names: &Names) -> Error {
    Error::Setting {
        name: GOAL,
        value: "none".into(),
        expected: format!(
            "one, with --goal {}=…: the checkpoint was trained with goals, and {why}",
            names.observations.first().map_or("x", String::as_str)
        ),
    }
}
