//! The bodies of an MJCF file, and where they are.
#![no_main]

use diffplan_envs::PlanarRobot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(robot) = PlanarRobot::from_mjcf(text) {
        let _ = robot.capsules(&vec![0.5; robot.state_dim()]);
    }
});
