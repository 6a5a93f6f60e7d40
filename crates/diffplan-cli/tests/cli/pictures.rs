use super::*;

const CHEAP: &str = "--batch-size 2 --num-inference-steps 1 --checkpoint";

/// Width, height, and the delays of all frames.
fn animation(file: &Path) -> (u16, u16, Vec<u16>) {
    let mut decoder = gif::DecodeOptions::new()
        .read_info(fs::File::open(file).unwrap())
        .unwrap();
    let mut delays = Vec::new();
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        delays.push(frame.delay);
    }
    (decoder.width(), decoder.height(), delays)
}

#[test]
fn a_rollout_is_drawn_in_real_time_and_the_same_every_time() {
    let folder = TempDir::new().unwrap();
    let files = ["a", "b"].map(|name| {
        let out = folder.path().join(name);
        let threads = if name == "a" { "--threads 1" } else { "--threads 2" };
        let command = format!("rollout --seed 1000 --render {threads} {CHEAP}");
        let stdout = diffplan(&command, &[&checkpoint(), Path::new("--out"), &out]).succeeded();
        ["rollout.gif", "contact-sheet.png", "denoising.gif"].map(|file| {
            let file = out.join(file);
            assert!(stdout.contains(&format!("saved {}", file.display())), "{stdout}");
            file
        })
    });
    for (a, b) in files[0].iter().zip(&files[1]) {
        assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{} differs", a.display());
    }
    let [rollout, sheet, denoising] = &files[0];
    // Every one of 200 steps of 0.05 s, beside the picture charts, below both a strip of captions; and small enough to send.
    let (width, height, delays) = animation(rollout);
    assert_eq!((width, height), (440 + 430, 440 + 62));
    assert_eq!(delays, [vec![5; 200], vec![200]].concat());
    assert!(fs::metadata(rollout).unwrap().len() < 3_000_000);
    // The noise after guidance, and the plan, which stays.
    let (width, height, delays) = animation(denoising);
    assert_eq!((width, height, delays), (900, 518, vec![80, 350]));
    // Twelve moments in rows of four.
    assert_eq!(size(sheet), (10 + 4 * 400, 96 + 3 * (390 + 34 + 10)));
}

/// Width and height of a PNG.
fn size(file: &Path) -> (u32, u32) {
    let png = fs::read(file).unwrap();
    let side = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (side(16), side(20))
}

#[test]
fn a_plan_is_one_picture_beside_what_no_guidance_gives() {
    let folder = TempDir::new().unwrap();
    let draw = |name: &str, more: &str| {
        let file = folder.path().join(name);
        let command = format!("plan --obs -1,0,0.5 --num-inference-steps 3 --batch-size 4 {more} --checkpoint");
        let stdout = diffplan(&command, &[&checkpoint(), Path::new("--render"), &file]).succeeded();
        assert!(stdout.contains(&format!("saved {}", file.display())), "{stdout}");
        file
    };
    let alone = draw("alone.png", "");
    let [one, two] = ["1", "2"].map(|threads| {
        let compared = format!("--compare-unguided --threads {threads}");
        draw(&format!("{threads}.png"), &compared)
    });
    assert!(
        fs::read(&one).unwrap() == fs::read(&two).unwrap(),
        "the same for any number of threads"
    );
    // Alone four dimensions stand in two rows, beside the other plan in four.
    let ((width, height), (other_width, other_height)) = (size(&alone), size(&one));
    assert_eq!((width, other_width, other_height), (1500, 1500, height + 34 + 2 * 150));

    let refused = |file: &str, more: &str| {
        let file = folder.path().join(file);
        let command = format!("plan --obs -1,0,0 {more} {CHEAP}");
        let run = diffplan(&command, &[&checkpoint(), Path::new("--render"), &file]);
        assert!(!file.exists());
        run
    };
    refused("plan.jpg", "").failed_with(&["plan.jpg", ".gif", ".png"]);
    refused("plan.gif", "--compare-unguided").failed_with(&["plan.gif", ".png"]);
    refused("plan.png", "--compare-unguided --n-guide-steps 0").failed_with(&["0 guide steps", "guided"]);
}

#[test]
fn a_plan_is_drawn_with_and_without_the_environment() {
    let folder = TempDir::new().unwrap();
    let unnamed = Copy::new();
    unnamed.edit(
        "planning_config.json",
        "\"env\": \"Pendulum-v1\"",
        "\"env\": \"Lunar-v0\"",
    );
    let named = checkpoint();
    for (env, checkpoint, size, alone) in [
        ("", named.as_path(), (900, 518), false),
        ("--env Pendulum-v1", unnamed.path(), (900, 518), false),
        ("", unnamed.path(), (860, 618), true),
    ] {
        let file = folder.path().join("plan.gif");
        let command = format!("plan --obs -1,0,0.5 --num-inference-steps 3 --batch-size 2 {env} --checkpoint");
        let stdout = diffplan(&command, &[checkpoint, Path::new("--render"), &file]).succeeded();
        assert!(stdout.contains(&format!("saved {}", file.display())), "{stdout}");
        assert_eq!(
            stdout.contains("charts alone: no environment \"Lunar-v0\""),
            alone,
            "{stdout}"
        );
        let (width, height, delays) = animation(&file);
        assert_eq!((width, height, delays.len()), (size.0, size.1, 4), "{env}");
        fs::remove_file(file).unwrap();
    }
}

/// What is planned is the same, watched or not.
#[test]
fn pictures_change_no_plan() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("plan.gif");
    let command = format!("plan --obs -1,0,0.5 --json {CHEAP}");
    let plain = diffplan(&command, &[&checkpoint()]).succeeded();
    let drawn = diffplan(&command, &[&checkpoint(), Path::new("--render"), &file]).succeeded();
    assert_eq!(plain, drawn);
    assert!(file.exists());
}

#[test]
fn what_cannot_be_drawn_is_an_error_before_anything_is_done() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("plan.gif");
    let plan = |env: &str, obs: &str| {
        let command = format!("plan --obs {obs} --env {env} {CHEAP}");
        diffplan(&command, &[&checkpoint(), Path::new("--render"), &file])
    };
    plan("Lunar-v0", "-1,0,0").failed_with(&["Lunar-v0", "registered"]);
    // It has another observation, of two numbers.
    plan("MountainCarContinuous-v0", "-1,0,0").failed_with(&["no picture of MountainCarContinuous-v0", "expected 2"]);
    assert!(!file.exists());
    let nowhere = Path::new("--render=/dev/null/plan.gif");
    diffplan(&format!("plan --obs -1,0,0 {CHEAP}"), &[&checkpoint(), nowhere]).failed_with(&["/dev/null"]);
    let unsaved = diffplan(&format!("rollout --render {CHEAP}"), &[&checkpoint()]);
    assert_eq!(unsaved.status, Some(2));
    assert!(unsaved.stderr.contains("--out"), "{}", unsaved.stderr);
}
