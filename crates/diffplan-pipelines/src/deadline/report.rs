//! [`DeadlineReport`]: how many plans kept their deadlines, and by how much.

use super::ladder::{Rung, counted};
use super::timely::{Ended, Timely};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::sync::Arc;

/// What many plans took; [`see`](Self::see) each, then [`report`](Self::report).
#[derive(Clone, Debug, Default)]
pub struct DeadlineLog {
    seconds: Vec<f64>,
    budget: f64,
    late: usize,
    missed: usize,
    early: usize,
    cancelled: usize,
    /// By place in the ladder.
    rungs: Vec<(usize, Arc<Rung>, usize)>,
}

/// Plans of a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungShare {
    /// Its place in the ladder; 0 is what was wanted.
    pub place: usize,
    /// What it plans with.
    pub rung: String,
    /// What it gives up; empty for what was wanted.
    pub dropped: String,
    /// How many were made by it.
    pub plans: usize,
}

/// The sum of many plans. Times are in seconds from the call to its end, cancelled ones included; quantiles by the nearest rank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadlineReport {
    /// The longest budget among them.
    pub budget: f64,
    /// How many plans.
    pub plans: usize,
    /// Half took no longer.
    pub p50: f64,
    /// 95 % took no longer.
    pub p95: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// The longest.
    pub max: f64,
    /// The standard deviation of the times.
    pub jitter: f64,
    /// How many ended after their deadline at all.
    pub late: usize,
    /// How many were late by more than 10 % of their budget.
    pub missed: usize,
    /// `missed` by `plans`; 0 of none.
    pub missed_share: f64,
    /// How many ended early, with the plan that the last visit predicted.
    pub early: usize,
    /// How many were cancelled.
    pub cancelled: usize,
    /// By what they were made, best first.
    pub rungs: Vec<RungShare>,
}

impl DeadlineLog {
    /// Counts one.
    pub fn see(&mut self, timely: &Timely) {
        self.seconds.push(timely.took.as_secs_f64());
        self.budget = self.budget.max(timely.budget.as_secs_f64());
        self.late += usize::from(timely.late());
        self.missed += usize::from(timely.missed());
        self.early += usize::from(timely.ended == Ended::Early);
        self.cancelled += usize::from(timely.ended == Ended::Cancelled);
        match self.rungs.iter_mut().find(|(place, ..)| *place == timely.place) {
            Some((.., plans)) => *plans += 1,
            None => self.rungs.push((timely.place, Arc::clone(&timely.rung), 1)),
        }
    }

    /// The sum of those seen.
    pub fn report(&self) -> DeadlineReport {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        let plans = sorted.len();
        let rank = |q: f64| (q * plans as f64).ceil() as usize;
        let quantile = |q: f64| sorted.get(rank(q).saturating_sub(1)).copied().unwrap_or(0.0);
        let count = plans.max(1) as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let variance = sorted.iter().map(|seconds| (seconds - mean).powi(2)).sum::<f64>() / count;
        let mut rungs: Vec<RungShare> = self.rungs.iter().map(share).collect();
        rungs.sort_by_key(|share| share.place);
        DeadlineReport {
            budget: self.budget,
            plans,
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: quantile(1.0),
            jitter: variance.sqrt(),
            late: self.late,
            missed: self.missed,
            missed_share: self.missed as f64 / count,
            early: self.early,
            cancelled: self.cancelled,
            rungs,
        }
    }
}

fn share((place, rung, plans): &(usize, Arc<Rung>, usize)) -> RungShare {
    RungShare {
        place: *place,
        rung: rung.text(),
        dropped: rung.dropped.clone(),
        plans: *plans,
    }
}

impl DeadlineReport {
    /// For people, a line each.
    pub fn text(&self) -> String {
        let ms = |seconds: f64| format!("{:.2} ms", seconds * 1e3);
        let mut text = format!(
            "{} within {}: {} late, {} by more than 10 % ({:.2} %)\n",
            counted(self.plans, "plan"),
            ms(self.budget),
            self.late,
            self.missed,
            self.missed_share * 100.0
        );
        let Self {
            p50,
            p95,
            p99,
            max,
            jitter,
            ..
        } = *self;
        let times = [
            ("p50", p50),
            ("p95", p95),
            ("p99", p99),
            ("max", max),
            ("jitter", jitter),
        ];
        let times = times.map(|(name, seconds)| format!("{name} {}", ms(seconds)));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}", times.join(", "));
        let _ = write!(text, "{} ended early, {} cancelled", self.early, self.cancelled);
        for share in &self.rungs {
            let dropped = match share.dropped.as_str() {
                "" => "as wanted".to_owned(),
                dropped => format!("without {dropped}"),
            };
            let _ = write!(text, "\n{:6} × {} ({dropped})", share.plans, share.rung);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::PlanOptions;
    use std::time::Duration;

    #[test]
    fn quantiles_misses_and_rungs_are_counted() {
        let rung = |dropped: &str| {
            Arc::new(Rung {
                options: PlanOptions::default(),
                visits: 20,
                dropped: dropped.into(),
            })
        };
        let mut log = DeadlineLog::default();
        assert_eq!((log.report().plans, log.report().missed_share), (0, 0.0));
        // 1 to 100 ms within 90: ten late, of which only 100 ms is late by more than a tenth.
        for ms in 1..=100 {
            let place = usize::from(ms > 50);
            log.see(&Timely {
                plans: Vec::new(),
                rung: rung(if place == 0 { "" } else { "the gradient" }),
                place,
                ended: if ms == 7 { Ended::Early } else { Ended::Whole },
                visits: 20,
                budget: Duration::from_millis(90),
                took: Duration::from_millis(ms),
            });
        }
        let report = log.report();
        assert_eq!(
            (report.plans, report.late, report.missed, report.early),
            (100, 10, 1, 1)
        );
        assert_eq!(
            (report.p50, report.p95, report.p99, report.max),
            (0.05, 0.095, 0.099, 0.1)
        );
        // Of 1 to n, the variance is (n² - 1) / 12.
        assert!(
            (report.jitter - (9999.0_f64 / 12.0).sqrt() * 1e-3).abs() < 1e-9,
            "{}",
            report.jitter
        );
        assert_eq!(
            report.rungs.iter().map(|share| share.plans).collect::<Vec<_>>(),
            [50, 50]
        );
        let text = report.text();
        for words in [
            "100 plans within 90.00 ms: 10 late, 1 by more than 10 % (1.00 %)",
            "p99 99.00 ms, max 100.00 ms",
            "without the gradient",
        ] {
            assert!(text.contains(words), "no {words:?} in\n{text}");
        }
        let back: DeadlineReport = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(back, report);
    }
}
