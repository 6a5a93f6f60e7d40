//! `UNet1DModel`: a network, forward and back.

use crate::arrays::{self, give_back};
use crate::errors::{OrRaise, Trouble};
use crate::json;
use crate::work::{Pool, apart, caught};
use diffplan::Folder;
use diffplan::models::{UNet1dModel, count_params, named_params};
use diffplan::ndarray::{ArrayD, Ix3, IxDyn};
use diffplan::rand::SeedableRng;
use diffplan::rand::rngs::StdRng;
use numpy::PyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// What a network gives, as in diffusers.
///
/// Attributes
/// ----------
/// sample : shape (batch, channels, horizon), or (batch, 1) of a value function
///     An array of the library that the input came from.
#[pyclass(frozen, get_all, module = "diffplan")]
pub(crate) struct UNet1DOutput {
    sample: Py<PyAny>,
}

/// diffusers' ``UNet1DModel``: a planner or a value function, as its configuration says. It never changes.
///
/// Arrays of NumPy come back as such. Those of libraries that know DLPack (torch's tensors on the CPU, without ``requires_grad``) come back as
/// that library's. float32 is looked at where it lies, of any strides, and must not be changed meanwhile.
#[pyclass(frozen, module = "diffplan")]
pub(crate) struct UNet1DModel(pub(crate) Arc<UNet1dModel>);

/// What makes one like it, and of what: for ``pickle``.
type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyAny>, Bound<'py, PyDict>));

/// The shape of a sample.
const SAMPLE: &str = "(batch, channels, horizon)";

/// Threads that networks are computed on; those that nobody uses.
static IDLE: Mutex<Vec<Pool>> = Mutex::new(Vec::new());

/// `job` on all cores, without the GIL. It looks at arrays where they lie, so it is waited for: Ctrl-C is raised when it is done.
fn on_all_cores<T: Send>(py: Python<'_>, job: impl FnOnce() -> diffplan::models::Result<T> + Send) -> PyResult<T> {
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = idle().pop().filter(Pool::is_alive);
    let pool = match kept {
        Some(pool) => pool,
        None => Pool::new(None)?,
    };
    let Some(threads) = pool.threads() else {
        return Err(Trouble::new("InternalError", "internal", "threads that are gone at once").into());
    };
    let made = apart(py, || threads.install(job).or_raise());
    drop(threads);
    idle().push(pool);
    made
}

/// The parameters, or what stands for them, by name.
fn by_name<'py>(py: Python<'py>, model: &UNet1dModel) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (name, values) in named_params(model) {
        all.set_item(name, PyArray::from_array(py, &values))?;
    }
    Ok(all)
}

/// A model of the files that diffusers would have saved, which are held in memory.
fn of_files(config: &Bound<'_, PyAny>, tensors: Vec<(String, ArrayD<f32>)>) -> PyResult<UNet1dModel> {
    let config = serde_json::Value::Object(json::object(config, "config")?).to_string();
    let tensors = tensors.into_iter().map(|(name, values)| {
        let shape = values.shape().to_vec();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        (name, (shape, bytes))
    });
    let tensors: Vec<_> = tensors.collect();
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
            view.map(|view| (name.as_str(), view))
        })
        .collect::<Result<Vec<_>, _>>();
    let refuse = |error: safetensors::SafeTensorError| PyErr::from(Trouble::value(format!("the state dict: {error}")));
    let bytes = safetensors::serialize(views.map_err(refuse)?, None).map_err(refuse)?;
    let files = [
        ("config.json".to_owned(), config.into_bytes()),
        ("diffusion_pytorch_model.safetensors".to_owned(), bytes),
    ];
    caught(|| UNet1dModel::from_folder(&Folder::in_memory("state dict", files)).or_raise())
}

#[pymethods]
impl UNet1DModel {
    /// A network of this configuration, whose parameters are drawn as PyTorch initialises such a network.
    ///
    /// Parameters
    /// ----------
    /// config : dict
    ///     diffusers' ``config.json``.
    /// seed : int
    #[new]
    #[pyo3(signature = (config, seed=0))]
    fn of_config(config: &Bound<'_, PyAny>, seed: u64) -> PyResult<Self> {
        let mut config = json::object(config, "config")?;
        config.retain(|key, _| !key.starts_with('_'));
        let config = serde_json::from_value(config.into())
            .map_err(|error| PyErr::from(Trouble::new("InvalidValue", "config", format!("config: {error}"))))?;
        caught(|| {
            let mut model = UNet1dModel::new(config).or_raise()?;
            model.init(&mut StdRng::seed_from_u64(seed));
            Ok(Self(Arc::new(model)))
        })
    }

    /// The network of a folder that diffusers, or this package, has saved.
    ///
    /// Parameters
    /// ----------
    /// folder : str or os.PathLike
    /// subfolder, variant : str, optional
    ///
    /// Raises
    /// ------
    /// diffplan.FileMissing, diffplan.CheckpointError
    #[classmethod]
    #[pyo3(signature = (folder, subfolder=None, variant=None))]
    fn from_pretrained(
        cls: &Bound<'_, PyType>,
        folder: PathBuf,
        subfolder: Option<&str>,
        variant: Option<&str>,
    ) -> PyResult<Self> {
        apart(cls.py(), || {
            let mut folder = Folder::at(folder);
            if let Some(subfolder) = subfolder {
                folder = folder.sub(subfolder.trim_end_matches('/'));
            }
            let model = UNet1dModel::from_folder(&folder.of_variant(variant)).or_raise()?;
            Ok(Self(Arc::new(model)))
        })
    }

    /// The network of a configuration and its parameters.
    ///
    /// Parameters
    /// ----------
    /// config : dict
    ///     diffusers' ``config.json``.
    /// state_dict : dict of str to array_like
    ///     Every parameter by its name in diffusers; missing, unexpected and wrongly shaped ones are errors that name them.
    #[staticmethod]
    fn from_state_dict(config: &Bound<'_, PyAny>, state_dict: &Bound<'_, PyDict>) -> PyResult<Self> {
        let mut tensors = Vec::with_capacity(state_dict.len());
        for (name, values) in state_dict {
            let name: String = name.extract()?;
            let values = arrays::numbers(&values, &name)?;
            tensors.push((name, values));
        }
        Ok(Self(Arc::new(of_files(config, tensors)?)))
    }

    /// The output for a sample.
    ///
    /// Parameters
    /// ----------
    /// sample : array_like or tensor, shape (batch, channels, horizon), float32
    /// timestep : number, or array_like of shape (batch,)
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or tensor, shape (batch, out channels, horizon), or (batch, 1) of a value function
    fn forward(&self, py: Python<'_>, sample: &Bound<'_, PyAny>, timestep: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let seen = arrays::seen(sample, "sample")?;
        let view = seen.view::<Ix3>("sample", SAMPLE)?;
        let times = arrays::timesteps(timestep, view.dim().0)?;
        let output = on_all_cores(py, || self.0.forward(view, &times))?;
        give_back(sample, output)
    }

    /// As ``forward``, in the form in which diffusers gives it: ``unet(sample, timestep).sample``.
    fn __call__(
        &self,
        py: Python<'_>,
        sample: &Bound<'_, PyAny>,
        timestep: &Bound<'_, PyAny>,
    ) -> PyResult<UNet1DOutput> {
        let sample = self.forward(py, sample, timestep)?;
        Ok(UNet1DOutput { sample })
    }

    /// The values of a value function, and the gradient of their sum by the sample.
    ///
    /// Parameters
    /// ----------
    /// sample : array_like, shape (batch, channels, horizon)
    /// timestep : number, or array_like of shape (batch,)
    ///
    /// Returns
    /// -------
    /// values : numpy.ndarray, shape (batch,)
    /// gradient : numpy.ndarray, shape (batch, channels, horizon)
    fn value_and_grad(
        &self,
        py: Python<'_>,
        sample: &Bound<'_, PyAny>,
        timestep: &Bound<'_, PyAny>,
    ) -> PyResult<(Py<PyAny>, Py<PyAny>)> {
        let seen = arrays::seen(sample, "sample")?;
        let view = seen.view::<Ix3>("sample", SAMPLE)?;
        let times = arrays::timesteps(timestep, view.dim().0)?;
        let (values, grad) = on_all_cores(py, || self.0.value_and_grad(view, &times))?;
        Ok((give_back(sample, values)?, give_back(sample, grad)?))
    }

    /// The vector-Jacobian product: the output, and the gradients of ``sum(output * cotangent)``.
    ///
    /// Parameters
    /// ----------
    /// sample : array_like, shape (batch, channels, horizon)
    /// timestep : number, or array_like of shape (batch,)
    /// cotangent : array_like, of the output's shape
    ///
    /// Returns
    /// -------
    /// output : numpy.ndarray
    /// sample_grad : numpy.ndarray, shape (batch, channels, horizon)
    /// param_grads : dict of str to numpy.ndarray
    ///     By the parameters' names, of their shapes.
    fn vjp<'py>(
        &self,
        py: Python<'py>,
        sample: &Bound<'py, PyAny>,
        timestep: &Bound<'py, PyAny>,
        cotangent: &Bound<'py, PyAny>,
    ) -> PyResult<(Py<PyAny>, Py<PyAny>, Bound<'py, PyDict>)> {
        let seen = arrays::seen(sample, "sample")?;
        let view = seen.view::<Ix3>("sample", SAMPLE)?;
        let times = arrays::timesteps(timestep, view.dim().0)?;
        let along = arrays::seen(cotangent, "cotangent")?;
        let along = along.view::<IxDyn>("cotangent", "the output's shape")?;
        let made = on_all_cores(py, || self.0.vjp(view, &times, along))?;
        let grads = PyDict::new(py);
        for (name, values) in named_params(&made.param_grad) {
            grads.set_item(name, give_back(sample, values.to_owned())?)?;
        }
        Ok((
            give_back(sample, made.output)?,
            give_back(sample, made.sample_grad)?,
            grads,
        ))
    }

    /// Every parameter by its name in diffusers, copied.
    fn state_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        by_name(py, &self.0)
    }

    /// Writes ``config.json`` and ``diffusion_pytorch_model.safetensors``, which diffusers loads.
    fn save_pretrained(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        apart(py, || self.0.save_pretrained(folder).or_raise())
    }

    /// That trajectories of so many steps can be taken; raises with the nearest that can, otherwise.
    fn check_horizon(&self, horizon: usize) -> PyResult<()> {
        self.0.check_horizon(horizon).or_raise()
    }

    /// diffusers' ``config.json``.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut config = serde_json::to_value(self.0.config()).unwrap_or_default();
        config["_class_name"] = UNet1dModel::CLASS_NAME.into();
        json::dictionary(py, config.as_object().unwrap_or(&serde_json::Map::new()))
    }

    /// Whether the output is one value a sample.
    #[getter]
    fn is_value_function(&self) -> bool {
        self.0.is_value_function()
    }

    /// The number of parameters.
    #[getter]
    fn num_parameters(&self) -> usize {
        count_params(&*self.0)
    }

    /// What was odd and harmless in the files it was loaded from, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.0.notes().to_vec()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        let (py, own) = (slf.py(), slf.get());
        let make = slf.get_type().getattr("from_state_dict")?;
        Ok((make, (own.config(py)?, own.state_dict(py)?)))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self) -> String {
        let config = self.0.config();
        format!(
            "UNet1DModel({}, {} channels, {:?}, {} parameters)",
            if self.0.is_value_function() {
                "value function"
            } else {
                "planner"
            },
            config.sample_channels(),
            config.block_out_channels,
            count_params(&*self.0)
        )
    }
}
