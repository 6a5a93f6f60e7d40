//! An evaluation that is gone on with: what was asked for over what was saved, and what must be the same.

use super::saved::Saved;
use super::settings::{Asked, Config, Settings};
use super::words::describe_aim;
use crate::error::{Error, Result};
use serde_json::Value;

impl Settings {
    /// As asked, over what an evaluation was begun with.
    ///
    /// # Errors
    /// If that decides otherwise about an episode, or fewer episodes are asked for than there are.
    pub fn again(asked: &Asked, saved: &Saved) -> Result<Self> {
        let made = crate::env_with(asked.env.as_deref(), &asked.env_kwargs, Some(saved.made()))?;
        let made = made.unwrap_or_default();
        let again = Self {
            env: made.id,
            seed: asked.seed.unwrap_or(saved.seed),
            config: Config {
                // "planner" is the policy that goes without a name here.
                policy: match asked.policy.as_deref() {
                    Some("planner") => None,
                    Some(name) => Some(name.to_owned()),
                    None => saved.config.policy.clone(),
                },
                episodes: asked.episodes.unwrap_or(saved.config.episodes),
                options: saved.config.options.clone().map(|options| asked.planning.over(options)),
                guides: match asked.guides.is_empty() {
                    true => saved.config.guides.clone(),
                    false => asked.guides.clone(),
                },
                aim: match asked.aim.is_empty() {
                    true => saved.config.aim.clone(),
                    false => asked.aim.clone(),
                },
                env_kwargs: made.kwargs,
                max_episode_steps: made.max_episode_steps,
                ..saved.config.clone()
            },
        };
        again.check_same(saved)?;
        let last = saved.rows.iter().map(|row| row.episode).max();
        match last.filter(|&last| last >= again.config.episodes) {
            Some(last) => Err(Error::Setting {
                name: "episodes",
                value: again.config.episodes.to_string(),
                expected: format!("at least {}: episode {last} is played already", last + 1),
            }),
            None => Ok(again),
        }
    }

    /// Checks that all which decides about an episode is what it was.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub fn check_same(&self, saved: &Saved) -> Result<()> {
        let changed = |key: &str, typed: String, saved_as: String| match typed == saved_as {
            true => Ok(()),
            false => Err(Error::Changed {
                key: key.to_owned(),
                typed,
                saved: saved_as,
                path: saved.path.clone(),
            }),
        };
        changed("env", self.env.clone(), saved.env.clone())?;
        changed("env_kwargs", self.made().to_string(), saved.made().to_string())?;
        changed("seed", self.seed.to_string(), saved.seed.to_string())?;
        let policy = |config: &Config| config.policy.clone().unwrap_or_else(|| "planner".into());
        changed("policy", policy(&self.config), policy(&saved.config))?;
        let guides = |config: &Config| match config.guides.is_empty() {
            true => "none".to_owned(),
            false => config.guides.join(", "),
        };
        changed("guide", guides(&self.config), guides(&saved.config))?;
        let aim = |config: &Config| describe_aim(&config.aim).unwrap_or_else(|| "none".into());
        changed("goal", aim(&self.config), aim(&saved.config))?;
        let options =
            |config: &Config| serde_json::to_value(&config.options).map_err(Error::encode("planning options"));
        let (typed, before) = (options(&self.config)?, options(&saved.config)?);
        for (key, value) in typed.as_object().into_iter().flatten() {
            let text = |config: &Config, value: &Value| {
                // As it is printed: a `Value` has a number in double precision, where 0.03 is 0.029999999329447746.
                let text = config.options.as_ref().and_then(|options| options.text(key));
                text.unwrap_or_else(|| match value {
                    Value::Null => "all".into(),
                    value => value.to_string(),
                })
            };
            changed(key, text(&self.config, value), text(&saved.config, &before[key]))?;
        }
        let hash = |config: &Config| {
            let hash = config.checkpoint_hash.as_deref().unwrap_or("none");
            format!("networks with hash {hash}")
        };
        changed("checkpoint", hash(&self.config), hash(&saved.config))
    }

    /// Says what the environment's dynamics are calculated by.
    ///
    /// # Errors
    /// If it is not what the episodes that are there were played with.
    pub fn set_simulator(&mut self, simulator: Option<String>, saved: Option<&Saved>) -> Result<()> {
        self.config.simulator = simulator;
        let name = |simulator: &Option<String>| simulator.clone().unwrap_or_else(|| "diffplan's own".into());
        match saved {
            Some(saved) if saved.config.simulator != self.config.simulator => Err(Error::Changed {
                key: "simulator".into(),
                typed: name(&self.config.simulator),
                saved: name(&saved.config.simulator),
                path: saved.path.clone(),
            }),
            _ => Ok(()),
        }
    }
}
