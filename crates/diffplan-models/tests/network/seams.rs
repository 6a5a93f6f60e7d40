//! What others may rely on: sessions, what belongs to which model, roles, and overflows that show.

use diffplan_models::{
    Backprop, Compute, Error, Network, Registry, Role, UNet1dConfig, UNet1dModel, Workspace, named_params, roles,
    zeros_like,
};
use ndarray::{Array1, Array3};
use ndarray_rand::rand::{SeedableRng, rngs::StdRng};
use std::sync::Arc;

fn made(config: UNet1dConfig) -> UNet1dModel {
    let mut model = UNet1dModel::new(config).unwrap();
    model.init(&mut StdRng::seed_from_u64(0));
    model
}

fn planner() -> UNet1dModel {
    made(UNet1dConfig::planner(4, &[32, 64]))
}

fn sample(channels: usize, horizon: usize) -> Array3<f32> {
    Array3::from_shape_fn((3, channels, horizon), |(i, j, k)| ((7 * i + 3 * j + k) as f32).sin())
}

#[test]
fn a_session_gives_the_models_own_bits() {
    let model = Arc::new(planner());
    let x = sample(4, 16);
    let mut session = model.clone().session(Compute::default());
    session.prepare(&[5.0, 0.5, 5.0]);
    for (time, timestep) in [(0, 5.0), (1, 0.5), (2, 5.0)] {
        let expected = model.forward(x.view(), &[timestep]).unwrap();
        let mut out = Array3::zeros((3, 16, 4));
        session
            .forward(x.view().permuted_axes([0, 2, 1]), time, out.view_mut())
            .unwrap();
        assert_eq!(out.view().permuted_axes([0, 2, 1]).into_dyn(), expected.view());
    }
    let mut out = Array3::zeros((3, 16, 4));
    let error = session.forward(x.view().permuted_axes([0, 2, 1]), 3, out.view_mut());
    assert!(matches!(error, Err(Error::NoSuchTime { time: 3, times: 3 })));
    assert!(matches!(
        Network::check_horizon(&*model, 15),
        Err(Error::Horizon { .. })
    ));
}

/// A copy is another model: its parameters may have changed since.
#[test]
fn what_is_of_another_model_is_refused() {
    let (model, x) = (planner(), sample(4, 16));
    let (copy, other) = (model.clone(), made(UNet1dConfig::planner(4, &[64, 32, 32])));
    let mut output = model.forward(x.view(), &[1.0]).unwrap();
    let expected = output.clone();
    let mut workspace = Workspace::default();
    for features in [copy.time_features(&[1.0]), other.time_features(&[1.0])] {
        let error = model.forward_into(x.view(), &features, output.view_mut(), &mut workspace);
        assert!(matches!(error, Err(Error::OtherModel { .. })));
    }
    // Buffers are no model's but for their sizes: those of another are made anew.
    for model in [&other, &model, &other, &model] {
        let features = model.time_features(&[1.0]);
        model
            .forward_into(x.view(), &features, output.view_mut(), &mut workspace)
            .unwrap();
    }
    assert_eq!(output, expected);

    let (mut backprop, mut grad) = (Backprop::default(), zeros_like(&model));
    other
        .forward_saving(x.view(), &[1.0], output.view_mut(), &mut backprop)
        .unwrap();
    let error = model.backward(output.view(), None, &mut grad, &mut backprop);
    assert!(matches!(error, Err(Error::OtherModel { .. })));
}

#[test]
fn random_frequencies_are_frozen_and_nothing_else() {
    let config = UNet1dConfig {
        time_embedding_type: diffplan_models::TimeEmbeddingType::Fourier,
        ..UNet1dConfig::planner(4, &[32])
    };
    let model = made(config);
    let roles = roles(&model);
    let names = named_params(&model);
    assert_eq!(roles.len(), names.len());
    for ((name, _), role) in names.iter().zip(roles) {
        assert_eq!(role == Role::Frozen, name == "time_proj.weight", "{name}");
    }
}

/// From about 1e19 on squares overflow in the statistics of a normalisation; what comes out then must show it.
#[test]
fn an_overflow_shows_in_outputs_values_and_gradients() {
    let (planner, value) = (planner(), made(UNet1dConfig::value_function(4, &[32, 64])));
    for large in [1e21f32, -1e25, 3e38] {
        let mut x = sample(4, 16);
        x[[1, 2, 3]] = large;
        let output = planner.forward(x.view(), &[3.0]).unwrap();
        let finite = |i: usize| output.index_axis(ndarray::Axis(0), i).iter().all(|v| v.is_finite());
        assert_eq!([0, 1, 2].map(finite), [true, false, true], "{large}");
        let (values, grad): (Array1<f32>, Array3<f32>) = value.value_and_grad(x.view(), &[3.0]).unwrap();
        let finite =
            |i: usize| values[i].is_finite() || grad.index_axis(ndarray::Axis(0), i).iter().all(|v| v.is_finite());
        assert_eq!([0, 1, 2].map(finite), [true, false, true], "{large}");
    }
}

#[test]
fn networks_are_made_by_their_class() {
    let folder = tempfile::tempdir().unwrap();
    planner().save_pretrained(folder.path()).unwrap();
    let registry = Registry::builtin();
    let network = registry.load(&folder.path().into()).unwrap();
    assert_eq!(
        (network.class_name(), network.signature().sample_channels),
        ("UNet1DModel", 4)
    );
    let config = folder.path().join("config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("UNet1DModel", "UNet1DModle")).unwrap();
    let error = registry.load(&folder.path().into()).unwrap_err().to_string();
    assert!(
        error.contains("UNet1DModle") && error.contains("did you mean UNet1DModel?"),
        "{error}"
    );
    let mut registry = registry;
    registry.register("UNet1DModle", |_| Ok(Arc::new(planner())));
    assert!(registry.load(&folder.path().into()).is_ok());
}

#[test]
fn weights_that_are_there_under_another_name_are_named() {
    let folder = tempfile::tempdir().unwrap();
    planner().save_pretrained(folder.path()).unwrap();
    let weights = folder.path().join("diffusion_pytorch_model.safetensors");
    let content = std::fs::read(&weights).unwrap();
    std::fs::remove_file(&weights).unwrap();
    for (name, remedy) in [
        ("weights.bin", "rename it to diffusion_pytorch_model.bin"),
        ("diffusion_pytorch_model.fp16.safetensors", "--variant fp16"),
        ("model.safetensors", "rename it"),
        ("model.onnx", "not read"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &content).unwrap();
        let error = UNet1dModel::from_pretrained(folder.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(remedy), "{error}");
        std::fs::remove_file(&path).unwrap();
    }
    // What is in a file counts, not what it is called.
    let bin = folder.path().join("diffusion_pytorch_model.bin");
    std::fs::write(&bin, &content).unwrap();
    UNet1dModel::from_pretrained(folder.path()).unwrap();
    std::fs::remove_file(&bin).unwrap();
    // A variant: a file, or a folder.
    let at = diffplan_files::Folder::at(folder.path());
    for name in [
        "diffusion_pytorch_model.ema.safetensors",
        "ema/diffusion_pytorch_model.safetensors",
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &content).unwrap();
        assert!(UNet1dModel::from_folder(&at).is_err());
        UNet1dModel::from_folder(&at.clone().of_variant(Some("ema"))).unwrap();
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::remove_dir(folder.path().join("ema")).unwrap();
    let error = UNet1dModel::from_pretrained(folder.path()).unwrap_err().to_string();
    assert!(error.contains("the folder holds config.json"), "{error}");

    // From bytes in memory: nothing on disk.
    let config = std::fs::read(folder.path().join("config.json")).unwrap();
    let files = [
        ("config.json", config),
        ("diffusion_pytorch_model.safetensors", content),
    ];
    let files = files.map(|(name, bytes)| (name.to_owned(), bytes));
    let memory = diffplan_files::Folder::in_memory("embedded", files);
    let model = UNet1dModel::from_folder(&memory).unwrap();
    let expected = planner().forward(sample(4, 16).view(), &[1.0]).unwrap();
    assert_eq!(model.forward(sample(4, 16).view(), &[1.0]).unwrap(), expected);
}
