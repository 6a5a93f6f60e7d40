//! Pictures of numbers of one's own: three planes side by side, and a frontier of settings.
//!
//! `cargo run -p diffplan-pictures --example planes -- FOLDER`

use diffplan_pictures::{FrontierPicture, Plane, PlanePanel, PlanePath, Role, Tried, frontier_png, planes_png};
use std::error::Error;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&folder)?;
    let panels = [
        ("no constraint", "every path goes through the disc", 0.0, true),
        ("soft cost", "some cut its edge", 0.8, true),
        ("hard constraint", "none does, and one does not arrive", 1.65, false),
    ]
    .map(|(title, caption, bend, all)| PlanePanel {
        title: title.into(),
        caption: caption.into(),
        plane: maze(),
        paths: (0..24).map(|i| episode(i, bend, all || i != 5)).collect(),
    });
    std::fs::write(
        folder.join("planes.png"),
        planes_png("A disc across the way", "24 episodes each", &panels)?,
    )?;

    let mut plan = PlanePanel {
        title: "a plan".into(),
        caption: "the best of 9 candidates, and what came true".into(),
        plane: maze(),
        ..PlanePanel::default()
    };
    plan.paths = (0..8_u32)
        .map(|rank| PlanePath {
            role: Role::Candidate {
                rank: rank as usize,
                of: 8,
            },
            ..episode(3 * rank, 0.4 + 0.2 * f64::from(rank), true)
        })
        .collect();
    for (role, bend) in [(Role::True, 1.24), (Role::Chosen, 1.2)] {
        plan.paths.push(PlanePath {
            role,
            ..episode(9, bend, true)
        });
    }
    std::fs::write(folder.join("plane.png"), planes_png("A maze", "one plan", &[plan])?)?;
    std::fs::write(folder.join("frontier.png"), frontier_png(&settings())?)?;
    Ok(())
}

/// A U of walls, an obstacle in one of its arms.
fn maze() -> Plane {
    let mut plane = Plane::of([0.0, 0.0, 5.0, 5.0]);
    plane.walls = vec![
        [0.0, 0.0, 5.0, 0.4],
        [0.0, 4.6, 5.0, 5.0],
        [0.0, 0.4, 0.4, 4.6],
        [4.6, 0.4, 5.0, 4.6],
        [0.4, 2.2, 2.4, 2.8],
    ];
    plane.discs = vec![[3.3, 2.5, 0.45]];
    plane.goal = Some([1.0, 3.7]);
    plane.goal_radius = 0.3;
    plane
}

/// A way around the end of the wall, bent away from the obstacle.
fn episode(number: u32, bend: f64, arrives: bool) -> PlanePath {
    let (wobble, drift) = ((f64::from(number) * 2.4).sin(), (f64::from(number) * 5.7).cos());
    let end = if arrives { 1.0 } else { 0.72 };
    let points = (0..=80_u32).map(|i| {
        let part = end * f64::from(i) / 80.0;
        let angle = std::f64::consts::PI * (part - 0.5);
        let radius = 2.2 + 0.62 * bend * angle.cos().powi(4) + 0.12 * wobble * (6.0 * part).sin() + 0.1 * drift * bend;
        let start = (1.0 - part).powi(2);
        [
            1.05 + radius * angle.cos() + 0.35 * drift * start,
            2.5 + 1.25 * angle.sin() + 0.1 * wobble + 0.3 * drift * wobble * start,
        ]
    });
    PlanePath {
        points: points.collect(),
        role: Role::Episode { reached: arrives },
    }
}

fn settings() -> FrontierPicture {
    let mut tried = Vec::new();
    for candidates in [1_u32, 4, 8, 16, 64] {
        for steps in [2_u32, 5, 10, 20] {
            let (candidates, steps) = (f64::from(candidates), f64::from(steps));
            let noise = (7.0 * candidates + 3.0 * steps).sin();
            let mean = 1900.0 - 900.0 / (candidates.sqrt() * steps.sqrt()) - 6.0 * steps + 60.0 * noise;
            tried.push(Tried {
                label: format!("{candidates} candidates, {steps} steps"),
                milliseconds: 0.12 * candidates.powf(0.8) * steps,
                mean,
                interval: Some([mean - 110.0, mean + 110.0]),
            });
        }
    }
    FrontierPicture {
        title: "Return against time".into(),
        subtitle: "invented numbers   ·   bars: 95 % intervals".into(),
        chosen: Some(9),
        reference: Some(11),
        tried,
    }
}
