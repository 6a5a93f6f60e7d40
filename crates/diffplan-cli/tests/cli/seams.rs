//! What can be put in by name: schedulers, policies, statistics; and what is said of what cannot.

use super::*;

#[test]
fn ddim_plans_and_plays() {
    let ddim = json(
        &diffplan(
            "plan --json --obs -1,0,0 --batch-size 2 --scheduler ddim --num-inference-steps 3",
            &[],
        )
        .succeeded(),
    );
    let ddpm = json(&diffplan("plan --json --obs -1,0,0 --batch-size 2 --num-inference-steps 3", &[]).succeeded());
    assert_eq!(ddim["config"]["scheduler"], "ddim");
    assert_ne!(ddim["action"], ddpm["action"]);
    let played = diffplan(
        "evaluate --json --episodes 1 --batch-size 1 --num-inference-steps 1 --scheduler ddim --eta 0.5",
        &[],
    );
    assert_eq!(json(&played.succeeded())["config"]["eta"], 0.5);
    diffplan("plan --obs -1,0,0 --scheduler eular", &[]).failed_with(&["did you mean euler?", "ddim", "ddpm"]);
    for scheduler in ["dpm++", "euler", "euler-a", "heun", "unipc"] {
        let args = format!("plan --json --obs -1,0,0 --batch-size 2 --num-inference-steps 5 --scheduler {scheduler}");
        let plan = json(&diffplan(&args, &[]).succeeded());
        assert_eq!(plan["config"]["scheduler"], scheduler);
        assert_ne!(plan["action"], ddpm["action"], "{scheduler}");
    }
    // Timesteps would repeat, which the solver cannot step between.
    diffplan("plan --obs -1,0,0 --num-inference-steps 20 --scheduler dpm++", &[])
        .failed_with(&["timestep_spacing", "trailing"]);
    diffplan("plan --obs -1,0,0 --eta 0.5", &[]).failed_with(&["eta", "DDPMScheduler"]);
}

#[test]
fn policies_by_name_play_and_are_compared() {
    let folder = TempDir::new().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    for (policy, out) in [("random", &a), ("swing-up", &b)] {
        let args = format!("evaluate --json --episodes 3 --policy {policy} --out");
        let report = json(&diffplan(&args, &[out]).succeeded());
        assert_eq!(report["config"]["policy"], policy);
    }
    let compared = diffplan("evaluate --json --compare", &[&a, &b]).succeeded();
    assert!(json(&compared)["difference"].is_object(), "{compared}");
    let again = diffplan("evaluate --json --episodes 4 --resume --out", &[&b]).succeeded();
    assert_eq!(json(&again)["returns"].as_array().unwrap().len(), 4);
    // What was saved is no planner's: flags of one are refused, and so is another policy.
    diffplan("evaluate --episodes 4 --scale 1 --resume --out", &[&b]).failed_with(&["--scale", "swing-up"]);
    diffplan("evaluate --episodes 5 --scale 1 --resume --out", &[&b]).failed_with(&["--scale", "swing-up"]);
    for other in ["planner", "random"] {
        let args = format!("evaluate --episodes 5 --policy {other} --resume --out");
        diffplan(&args, &[&b]).failed_with(&["policy", "swing-up"]);
    }
    diffplan("rollout --policy swing-upp", &[]).failed_with(&["swing-upp", "did you mean swing-up?"]);
    diffplan("rollout --policy random --scale 1", &[]).failed_with(&["--scale", "random", "planner"]);
    diffplan("rollout --guide slow", &[]).failed_with(&["guide", "slow"]);
}

#[test]
fn an_unknown_environment_may_be_ones_own() {
    diffplan("rollout --env PointMass-v0", &[]).failed_with(&["PointMass-v0", "diffplan_cli::run"]);
    diffplan("evaluate --env PointMass-v0", &[]).failed_with(&["PointMass-v0", "diffplan_cli::run"]);
}

#[test]
fn instructions_that_are_misspelt_are_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
    let outcome = ended(command.args(["plan", "--obs", "-1,0,0"]).env("DIFFPLAN_ISA", "avx3"));
    outcome.failed_with(&["avx3", "portable"]);
}

#[test]
fn the_default_checkpoint_is_in_the_program() {
    let elsewhere = TempDir::new().unwrap();
    let run = |folder: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diffplan"));
        let args = ["plan", "--json", "--obs", "-1,0,0", "--batch-size", "2"];
        json(&ended(command.args(args).current_dir(folder)).succeeded())
    };
    let here = run(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    let there = run(elsewhere.path());
    assert_eq!(here["action"], there["action"]);
    assert_eq!(there["config"]["checkpoint"], "built-in:pendulum-hor32");
}

#[test]
fn statistics_are_made_from_a_dataset() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data.hdf5");
    diffplan("data collect --json --env Pendulum-v1 --episodes 2 --out", &[&data]).succeeded();
    let out = folder.path().join("normalizer.json");
    let made = |kind: &str| {
        let args = format!("normalizer --json --overwrite --kind {kind} --dataset");
        json(&diffplan(&args, &[&data, Path::new("--out"), &out]).succeeded());
        serde_json::from_slice::<Value>(&fs::read(&out).unwrap()).unwrap()
    };
    assert_eq!(made("gaussian")["observations"]["mean"].as_array().unwrap().len(), 3);
    assert!(made("scalar")["observations"]["mean"].is_number());
    let args = "normalizer --dataset";
    diffplan(args, &[&data, Path::new("--out"), &out]).failed_with(&["--overwrite"]);
    // What a checkpoint without it says.
    let bare = folder.path().join("bare");
    for part in ["unet", "value_function", "scheduler"] {
        fs::create_dir_all(bare.join(part)).unwrap();
        for entry in fs::read_dir(checkpoint().join(part)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, bare.join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    diffplan("plan --obs -1,0,0 --checkpoint", &[&bare]).failed_with(&["diffplan normalizer", "normalizer.json"]);
    fs::copy(&out, bare.join("normalizer.json")).unwrap();
    diffplan("plan --json --obs -1,0,0 --batch-size 1 --checkpoint", &[&bare]).succeeded();
}

/// Weights of a variant, a checkpoint in a subfolder; and an evaluation that is gone on with remembers both.
#[test]
fn variants_and_subfolders() {
    let copy = Copy::new();
    let plan = json(&copy.plan().succeeded());
    for part in ["unet", "value_function"] {
        let weights = |variant: &str| {
            copy.path()
                .join(part)
                .join(format!("diffusion_pytorch_model{variant}.safetensors"))
        };
        fs::rename(weights(""), weights(".ema")).unwrap();
    }
    copy.plan()
        .failed_with(&["diffusion_pytorch_model.ema.safetensors", "--variant ema"]);
    let ema = |command: &str| diffplan(&format!("{command} --variant ema --checkpoint"), &[copy.path()]);
    let same = json(&ema("plan --obs 1,0,0 --batch-size 1 --num-inference-steps 1 --json").succeeded());
    assert_eq!(same["action"], plan["action"]);
    for command in ["plan --obs 1,0,0", "bench --task unet", "inspect"] {
        let flag = if command == "inspect" { "" } else { "--checkpoint" };
        let args = format!("{command} --variant fp16 {flag}");
        diffplan(&args, &[copy.path()]).failed_with(&["variant \"fp16\"", "diffusion_pytorch_model.fp16.safetensors"]);
    }
    diffplan("bench --hopper-size --variant ema", &[]).failed_with(&["--variant", "--hopper-size"]);

    let folder = copy.path().parent().unwrap();
    let name = copy.path().file_name().unwrap().to_string_lossy();
    let out = TempDir::new().unwrap();
    let run = |args: &str| {
        diffplan(
            &format!("evaluate {} {args} --json --out", evaluate::QUICK),
            &[out.path()],
        )
    };
    let within = format!(
        "--subfolder {name} --variant ema --episodes 1 --checkpoint {}",
        folder.display()
    );
    let first = json(&run(&within).succeeded());
    assert_eq!(first["config"]["variant"], "ema");
    let more = json(&run("--resume --episodes 2").succeeded());
    assert_eq!(more["config"]["variant"], "ema");
    assert_eq!(more["episodes"].as_array().unwrap().len(), 2);
    diffplan("plan --obs 1,0,0 --subfolder nowhere --checkpoint", &[folder]).failed_with(&["nowhere"]);
}
