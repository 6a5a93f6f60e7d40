//! [`Metrics`]: what Prometheus asks for, in its text format.

use axum::http::StatusCode;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the buckets of seconds.
const BOUNDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// How it is, since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    pub(crate) running: AtomicI64,
    pub(crate) waiting: AtomicI64,
    pub(crate) connections: AtomicI64,
    pub(crate) episodes: AtomicI64,
    pub(crate) frames: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    plans: AtomicU64,
    called_off: AtomicU64,
    deadlines_missed: AtomicU64,
    seconds: Mutex<Histogram>,
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    problems: Mutex<BTreeMap<&'static str, u64>>,
}

#[derive(Clone, Copy, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// A request was answered. Routes are those of the server and `other`, so that nobody makes more of them.
    pub(crate) fn answered(&self, route: &str, status: StatusCode, problem: Option<&'static str>) {
        let mut requests = lock(&self.requests);
        let key = (route.to_owned(), status.as_u16());
        *requests.entry(key).or_default() += 1;
        drop(requests);
        if let Some(kind) = problem {
            *lock(&self.problems).entry(kind).or_default() += 1;
        }
    }

    /// So many plans were made in one go.
    pub(crate) fn planned(&self, count: usize, took: Duration) {
        self.plans.fetch_add(count as u64, Ordering::Relaxed);
        let seconds = took.as_secs_f64();
        let mut histogram = lock(&self.seconds);
        for (bucket, bound) in histogram.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
        histogram.count += 1;
        histogram.sum += seconds;
    }

    pub(crate) fn called_off(&self) {
        self.called_off.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn deadline_missed(&self) {
        self.deadlines_missed.fetch_add(1, Ordering::Relaxed);
    }

    /// About how long those that wait will take, at the pace so far: when to ask again.
    pub(crate) fn seconds_of_queue(&self) -> u64 {
        let histogram = *lock(&self.seconds);
        let mean = histogram.sum / histogram.count.max(1) as f64;
        let waiting = self.waiting.load(Ordering::Relaxed).max(0) as f64;
        let running = self.running.load(Ordering::Relaxed).max(1) as f64;
        (mean * waiting / running).ceil().clamp(1.0, 60.0) as u64
    }

    /// All of it.
    pub(crate) fn text(&self, uptime: Duration) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: f64| {
            // Into a string nothing fails.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        let gauge = |value: &AtomicI64| value.load(Ordering::Relaxed) as f64;
        let counter = |value: &AtomicU64| value.load(Ordering::Relaxed) as f64;
        one(
            "diffplan_uptime_seconds",
            "gauge",
            "Seconds since the start.",
            uptime.as_secs_f64(),
        );
        one(
            "diffplan_connections",
            "gauge",
            "Open connections.",
            gauge(&self.connections),
        );
        one(
            "diffplan_connections_refused_total",
            "counter",
            "Connections beyond the limit.",
            counter(&self.refused_connections),
        );
        one(
            "diffplan_plans_running",
            "gauge",
            "Plans being made.",
            gauge(&self.running),
        );
        one(
            "diffplan_queue",
            "gauge",
            "Requests that wait for their turn to plan.",
            gauge(&self.waiting),
        );
        one("diffplan_plans_total", "counter", "Plans made.", counter(&self.plans));
        one(
            "diffplan_plans_cancelled_total",
            "counter",
            "Plans called off: the client went away, or its time was up.",
            counter(&self.called_off),
        );
        one(
            "diffplan_deadlines_missed_total",
            "counter",
            "Requests for plans that ended after their deadline, or without a plan because of it.",
            counter(&self.deadlines_missed),
        );
        one("diffplan_episodes", "gauge", "Episodes.", gauge(&self.episodes));
        one(
            "diffplan_frames_total",
            "counter",
            "Frames of episodes.",
            counter(&self.frames),
        );
        let histogram = *lock(&self.seconds);
        let name = "diffplan_plan_seconds";
        let _ = writeln!(
            text,
            "# HELP {name} Seconds of planning a request, without waiting.\n# TYPE {name} histogram"
        );
        for (bucket, bound) in histogram.buckets.iter().zip(BOUNDS) {
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {bucket}");
        }
        let _ = writeln!(
            text,
            "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}",
            count = histogram.count,
            sum = histogram.sum
        );
        let name = "diffplan_requests_total";
        let _ = writeln!(
            text,
            "# HELP {name} Requests by route and status.\n# TYPE {name} counter"
        );
        for ((route, status), count) in &*lock(&self.requests) {
            let _ = writeln!(text, "{name}{{route=\"{route}\",status=\"{status}\"}} {count}");
        }
        let name = "diffplan_problems_total";
        let _ = writeln!(
            text,
            "# HELP {name} Requests without what was asked for, by kind.\n# TYPE {name} counter"
        );
        for (kind, count) in &*lock(&self.problems) {
            let _ = writeln!(text, "{name}{{kind=\"{kind}\"}} {count}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_up_to_their_bounds() {
        let metrics = Metrics::default();
        metrics.planned(1, Duration::from_millis(1));
        metrics.planned(3, Duration::from_secs(60));
        metrics.answered("/v1/plan", StatusCode::OK, None);
        metrics.answered("/v1/plan", StatusCode::BAD_REQUEST, Some("option"));
        let text = metrics.text(Duration::from_secs(2));
        for line in [
            "diffplan_uptime_seconds 2",
            "diffplan_plans_total 4",
            "diffplan_plan_seconds_bucket{le=\"0.001\"} 1",
            "diffplan_plan_seconds_bucket{le=\"30\"} 1",
            "diffplan_plan_seconds_bucket{le=\"+Inf\"} 2",
            "diffplan_plan_seconds_count 2",
            "diffplan_requests_total{route=\"/v1/plan\",status=\"400\"} 1",
            "diffplan_problems_total{kind=\"option\"} 1",
        ] {
            assert!(text.lines().any(|own| own == line), "{line} in\n{text}");
        }
    }
}
