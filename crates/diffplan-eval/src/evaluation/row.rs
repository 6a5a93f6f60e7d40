//! An episode as a row of `episodes.csv` and as an object of `evaluation.json`.

use crate::episodes::EpisodeResult;
use diffplan_envs::d4rl::ReferenceReturns;
use serde::Serialize;

/// The columns.
pub const HEADER: &str =
    "episode,seed,return,length,end,normalized_score,plans,planning_seconds,elapsed_seconds,success,mujoco_warning";

/// Which columns a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// Those of [`HEADER`].
    All,
    /// Those of earlier versions: nothing is said of success.
    WithoutSuccess,
}

impl Columns {
    /// Those that a file's first line names; `None` of a line that no version wrote.
    pub fn of_header(line: &str) -> Option<Self> {
        match line {
            HEADER => Some(Self::All),
            line if line == HEADER.replace(",success,", ",") => Some(Self::WithoutSuccess),
            _ => None,
        }
    }
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// In a terminal state.
    Terminated,
    /// Cut off, by a time limit as a rule.
    Truncated,
}

impl End {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminated => "terminated",
            Self::Truncated => "truncated",
        }
    }
}

/// An episode, over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its number.
    pub episode: usize,
    /// What it was reset with.
    pub seed: u64,
    /// The sum of rewards.
    #[serde(rename = "return")]
    pub episode_return: f64,
    /// Steps.
    pub length: usize,
    /// How it ended.
    pub end: End,
    /// D4RL's; null where it has no references.
    pub normalized_score: Option<f64>,
    /// Plans that were made; actions that were found, where there are no plans.
    pub plans: usize,
    /// Its share of the calls that it was planned for in.
    pub planning_seconds: f64,
    /// Of the whole evaluation, when the episode ended.
    pub elapsed_seconds: f64,
    /// Whether the goal was reached at any step; null where the environment does not say.
    pub success: Option<bool>,
    /// The first that the simulator gave.
    pub mujoco_warning: Option<String>,
}

impl Row {
    /// Of an episode that ended so many seconds after the evaluation began, with D4RL's references where its score is known.
    pub fn new(result: &EpisodeResult, references: Option<ReferenceReturns>, elapsed_seconds: f64) -> Self {
        Self {
            episode: result.index,
            seed: result.seed,
            episode_return: result.episode_return,
            length: result.length,
            end: match result.terminated {
                true => End::Terminated,
                false => End::Truncated,
            },
            normalized_score: references.map(|references| references.score(result.episode_return)),
            plans: result.plans,
            planning_seconds: result.planning_time.as_secs_f64(),
            elapsed_seconds,
            success: result.success,
            mujoco_warning: result.mujoco_warning.clone(),
        }
    }

    /// Without a line end. Numbers that are results come back to the bit; times are rounded to microseconds.
    pub fn text(&self) -> String {
        let score = self.normalized_score.map_or(String::new(), |score| score.to_string());
        let warning = self.mujoco_warning.as_deref().map_or(String::new(), |text| {
            let one_line = text.replace(['\r', '\n'], " ");
            format!("\"{}\"", one_line.replace('"', "\"\""))
        });
        let success = self.success.map_or(String::new(), |success| success.to_string());
        format!(
            "{},{},{},{},{},{score},{},{:.6},{:.6},{success},{warning}",
            self.episode,
            self.seed,
            self.episode_return,
            self.length,
            self.end.name(),
            self.plans,
            self.planning_seconds,
            self.elapsed_seconds
        )
    }

    /// None of a line that is no row.
    pub fn parse(line: &str, columns: Columns) -> Option<Self> {
        // The last column may have commas.
        let mut cells: Vec<&str> = match columns {
            Columns::All => line.splitn(11, ',').collect(),
            Columns::WithoutSuccess => line.splitn(10, ',').collect(),
        };
        if columns == Columns::WithoutSuccess {
            cells.insert(cells.len().saturating_sub(1), "");
        }
        let &[
            episode,
            seed,
            episode_return,
            length,
            end,
            score,
            plans,
            planning,
            elapsed,
            success,
            warning,
        ] = &cells[..]
        else {
            return None;
        };
        let finite = |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite());
        let seconds = |text: &str| finite(text).filter(|value| (0.0..1e12).contains(value));
        let length = length.parse().ok().filter(|length| (1..1 << 48).contains(length))?;
        Some(Self {
            episode: episode.parse().ok()?,
            seed: seed.parse().ok()?,
            episode_return: finite(episode_return)?,
            length,
            end: [End::Terminated, End::Truncated]
                .into_iter()
                .find(|known| known.name() == end)?,
            normalized_score: match score {
                "" => None,
                score => Some(finite(score)?),
            },
            plans: plans.parse().ok().filter(|plans| (1..=length).contains(plans))?,
            planning_seconds: seconds(planning)?,
            elapsed_seconds: seconds(elapsed)?,
            success: match success {
                "" => None,
                said => Some(said.parse().ok()?),
            },
            mujoco_warning: match warning {
                "" => None,
                quoted => Some(quoted.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\"")),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(mujoco_warning: Option<&str>) -> Row {
        Row {
            episode: 3,
            seed: 1003,
            episode_return: -0.1 - 0.2,
            length: 17,
            end: End::Terminated,
            normalized_score: Some(1.0 / 3.0),
            plans: 17,
            planning_seconds: 0.25,
            elapsed_seconds: 1.5,
            success: mujoco_warning.map(str::is_empty),
            mujoco_warning: mujoco_warning.map(str::to_owned),
        }
    }

    #[test]
    fn rows_come_back_to_the_bit() {
        for warning in [None, Some("bad"), Some("a, \"b\",\nc"), Some("")] {
            let row = row(warning);
            let text = row.text();
            assert_eq!(text.lines().count(), 1, "{text}");
            let expected = Row {
                mujoco_warning: warning.map(|text| text.replace('\n', " ")),
                ..row
            };
            assert_eq!(Row::parse(&text, Columns::All), Some(expected), "{text}");
        }
        assert_eq!(HEADER.split(',').count(), row(None).text().split(',').count());
        assert_eq!(Columns::of_header(HEADER), Some(Columns::All));
    }

    /// A file of version 0.1.0, before it was said whether a goal is reached.
    #[test]
    fn rows_of_earlier_versions_are_read() {
        let header =
            "episode,seed,return,length,end,normalized_score,plans,planning_seconds,elapsed_seconds,mujoco_warning";
        let columns = Columns::of_header(header).unwrap();
        for warning in [None, Some("a, b")] {
            let expected = Row {
                success: None,
                ..row(warning)
            };
            let text = expected.text().replacen("1.500000,,", "1.500000,", 1);
            assert_eq!(Row::parse(&text, columns), Some(expected), "{text}");
        }
        assert_eq!(Columns::of_header("episode,seed"), None);
    }

    #[test]
    fn other_lines_are_none() {
        let text = row(None).text();
        for (from, to) in [
            ("3,1003", "x,1003"),
            ("terminated", "ended"),
            (",17,", ",0,"),
            ("1003,-0.3", "1003,NaN"),
            ("1003,-0.3", "1003,inf"),
            ("1.500000,,", "1.500000,"),
            ("1.500000,,", "1.500000,,\"cut"),
            ("1.500000,,", "1.500000,yes,"),
            (",17,0.25", ",18,0.25"),
        ] {
            assert!(text.contains(from), "{text} has no {from}");
            assert_eq!(
                Row::parse(&text.replacen(from, to, 1), Columns::All),
                None,
                "{from} as {to}"
            );
        }
        assert_eq!(Row::parse("", Columns::All), None);
        assert_eq!(Row::parse(HEADER, Columns::All), None);
    }
}
