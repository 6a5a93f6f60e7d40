//! `_diffplan.Pipeline`: the parts of a pipeline, and the planners that were made of it.

use crate::arrays;
use crate::denoiser::PythonDenoiser;
use crate::errors::{OrRaise, Raise, Trouble};
use crate::normalizers::Normalizers;
use crate::planner::{self, Planner};
use crate::scheduler::Scheduler;
use crate::stock::{Asked, Stock, observed};
use crate::unet::UNet1DModel;
use crate::work::{apart, caught};
use crate::{guide, json};
use diffplan::Folder;
use diffplan::envs::{BoxEnv, Env};
use diffplan::eval::{Names, env_with, make_env};
use diffplan::models::{Network, UNet1dModel};
use diffplan::pipelines::controls::{Context, Controls, Walls};
use diffplan::pipelines::{
    self, GuideTerm, Kind, OPTIONS, PlanOptions, PlanningConfig, Registries, ValueGuidedPipeline, ValueNetwork, doctor,
    snapshot,
};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Sets of options whose planners are kept at a time.
const KEPT: usize = 8;

/// The parts of a pipeline. Use ``diffplan.ValueGuidedRLPipeline``.
#[pyclass(frozen, module = "diffplan._diffplan")]
pub(crate) struct Pipeline {
    pipeline: ValueGuidedPipeline,
    unet: Denoises,
    value_function: Option<Arc<UNet1dModel>>,
    /// By options and threads, the last used last.
    stocks: Mutex<Vec<Arc<Stock>>>,
}

/// The planner network, as Python asks for it.
#[derive(Clone)]
enum Denoises {
    UNet(Arc<UNet1dModel>),
    /// A `diffplan.Denoiser`.
    Python(Arc<Py<PyAny>>),
}

impl Denoises {
    /// What it is, and the network that it is to a pipeline.
    fn of(unet: &Bound<'_, PyAny>) -> PyResult<(Self, Arc<dyn Network>)> {
        let Ok(unet) = unet.cast::<UNet1DModel>() else {
            let network = Arc::new(PythonDenoiser::of(unet)?);
            return Ok((Self::Python(Arc::new(unet.clone().unbind())), network));
        };
        let unet = &unet.get().0;
        if unet.is_value_function() {
            return Err(pipelines::Error::Parts("unet: the planner network is a value function".into()).raise());
        }
        Ok((Self::UNet(Arc::clone(unet)), Arc::clone(unet) as _))
    }
}

impl Pipeline {
    fn new(pipeline: ValueGuidedPipeline, unet: Denoises, value_function: Option<Arc<UNet1dModel>>) -> Self {
        Self {
            pipeline,
            unet,
            value_function,
            stocks: Mutex::default(),
        }
    }

    /// The planners of these options, those that are there or new ones.
    fn stock(&self, options: PlanOptions, threads: Option<usize>) -> PyResult<Arc<Stock>> {
        let kept = || self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = {
            let mut stocks = kept();
            let same = |stock: &Arc<Stock>| stock.threads() == threads && *stock.options() == options;
            let found = stocks.iter().position(same);
            found.map(|place| stocks.remove(place))
        };
        let stock = match found {
            Some(stock) => stock,
            None => Arc::new(Stock::new(self.pipeline.clone(), options, threads)?),
        };
        let dropped = {
            let mut stocks = kept();
            stocks.push(Arc::clone(&stock));
            (stocks.len() > KEPT).then(|| stocks.remove(0))
        };
        drop(dropped);
        Ok(stock)
    }

    /// Keywords over the options of the checkpoint, or over those of diffusers' call.
    fn resolve(&self, keywords: Option<&Bound<'_, PyDict>>, of_checkpoint: bool) -> PyResult<PlanOptions> {
        let base = match of_checkpoint {
            true => self.pipeline.options(),
            false => PlanOptions::default(),
        };
        let Some(keywords) = keywords else { return Ok(base) };
        let mut pairs: Vec<(String, String)> = Vec::with_capacity(keywords.len());
        for (name, value) in keywords {
            if !value.is_none() {
                pairs.push((name.extract()?, text_of(&value)?));
            }
        }
        let pairs = pairs.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        let options = PlanningConfig::of_pairs(pairs).or_raise()?.over(base);
        options.validate().or_raise()?;
        Ok(options)
    }
}

/// A value as the library writes it.
fn text_of(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = value.str()?.to_string();
    Ok(match text.as_str() {
        "True" => "true".into(),
        "False" => "false".into(),
        _ => text,
    })
}

/// An option's value as Python has it.
fn value_of<'py>(py: Python<'py>, kind: Kind, text: Option<String>) -> PyResult<Bound<'py, PyAny>> {
    let Some(text) = text else {
        return Ok(py.None().into_bound(py));
    };
    Ok(match kind {
        Kind::Count { .. } => text.parse::<usize>().unwrap_or_default().into_pyobject(py)?.into_any(),
        // By way of its shortest text, so that 0.1 is 0.1.
        Kind::Number { .. } => text.parse::<f64>().unwrap_or_default().into_pyobject(py)?.into_any(),
        Kind::Switch => (text == "true").into_pyobject(py)?.to_owned().into_any(),
        _ => text.into_pyobject(py)?.into_any(),
    })
}

pub(crate) fn dictionary<'py>(py: Python<'py>, options: &PlanOptions) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for spec in OPTIONS {
        all.set_item(spec.name, value_of(py, spec.kind, options.text(spec.name))?)?;
    }
    Ok(all)
}

/// Every planning option: name, default, what it takes, what it is, and whether it is about plans one after another.
#[pyfunction]
pub(crate) fn options(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let defaults = PlanOptions::default();
    let all = PyList::empty(py);
    for spec in OPTIONS {
        let one = PyDict::new(py);
        one.set_item("name", spec.name)?;
        one.set_item("default", value_of(py, spec.kind, defaults.text(spec.name))?)?;
        one.set_item("takes", spec.kind.to_string())?;
        one.set_item("doc", spec.doc.trim())?;
        one.set_item("acting", spec.acting)?;
        all.append(one)?;
    }
    Ok(all)
}

/// What the tables of a guides file refer to of an environment, as far as it is known.
fn context(pipeline: &ValueGuidedPipeline, env: Option<&str>) -> PyResult<Context> {
    let recorded = env_with(env, &[], pipeline.planning_config().recorded_env()).or_raise()?;
    let made = recorded.and_then(|env| make_env(&diffplan::envs::Registry::default(), &env).ok());
    let names = Names::of(made.as_ref(), pipeline.observation_dim(), pipeline.action_dim());
    let space = made.as_ref().and_then(|env| env.action_space().as_box().ok());
    let space = space.filter(|space| space.dim() == pipeline.action_dim());
    Ok(Context {
        walls: made.as_ref().and_then(BoxEnv::walls).map(|walls| Walls {
            dims: walls.dims,
            boxes: walls.boxes,
            radius: walls.radius,
        }),
        action_space: space.map(|space| [space.low().to_vec(), space.high().to_vec()]),
        ..Context::named(names.observations, names.actions)
    })
}

#[pymethods]
impl Pipeline {
    #[new]
    #[pyo3(signature = (unet, value_function, scheduler, normalizers, action_dim=None, planning_config=None))]
    fn of_parts(
        unet: &Bound<'_, PyAny>,
        value_function: Option<&UNet1DModel>,
        scheduler: &Scheduler,
        normalizers: &Normalizers,
        action_dim: Option<usize>,
        planning_config: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (unet, network) = Denoises::of(unet)?;
        let mut pipeline =
            ValueGuidedPipeline::without_guide(network, Arc::clone(&scheduler.0), (*normalizers.0).clone())
                .or_raise()?;
        if let Some(action_dim) = action_dim {
            pipeline = pipeline.with_action_dim(action_dim).or_raise()?;
        }
        if let Some(value) = value_function {
            pipeline = pipeline.with_guide(Arc::new(ValueNetwork::new(Arc::clone(&value.0)).or_raise()?));
        }
        if let Some(config) = planning_config {
            let object = json::object(config, "planning_config")?;
            let text = serde_json::Value::Object(object).to_string();
            let config = PlanningConfig::from_bytes(text.as_bytes(), Path::new("planning_config")).or_raise()?;
            pipeline = pipeline.with_planning_config(config);
        }
        Ok(Self::new(
            pipeline,
            unet,
            value_function.map(|value| Arc::clone(&value.0)),
        ))
    }

    /// The pipeline of a folder in the layout of diffusers.
    #[staticmethod]
    #[pyo3(signature = (folder, subfolder=None, variant=None, normalizers=None, action_dim=None))]
    fn load(
        py: Python<'_>,
        folder: PathBuf,
        subfolder: Option<&str>,
        variant: Option<&str>,
        normalizers: Option<&Normalizers>,
        action_dim: Option<usize>,
    ) -> PyResult<Self> {
        let normalizers = normalizers.map(|own| (*own.0).clone());
        apart(py, || {
            let mut folder = snapshot(&Folder::at(folder)).or_raise()?;
            if let Some(subfolder) = subfolder {
                folder = folder.sub(subfolder.trim_end_matches('/'));
            }
            let folder = folder.of_variant(variant);
            // The planner network as what it is: Python asks for its parameters too.
            let found: Arc<Mutex<Option<Arc<UNet1dModel>>>> = Arc::default();
            let mut registries = Registries::default();
            let kept = Arc::clone(&found);
            registries.networks.register(UNet1dModel::CLASS_NAME, move |folder| {
                let model = Arc::new(UNet1dModel::from_folder(folder)?);
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&model));
                Ok(model)
            });
            let mut pipeline = ValueGuidedPipeline::load(&folder, &registries, normalizers).or_raise()?;
            let unet = found.lock().unwrap_or_else(PoisonError::into_inner).take();
            let unet = unet.ok_or_else(|| PyErr::from(Trouble::value("the planner network is no UNet1DModel")))?;
            let value = match pipeline.guides().is_empty() {
                true => None,
                false => {
                    let in_part = |error| pipelines::Error::Network {
                        part: "value_function",
                        error,
                    };
                    let model = UNet1dModel::from_folder(&folder.sub("value_function")).map_err(in_part);
                    Some(Arc::new(model.or_raise()?))
                }
            };
            if let Some(value) = &value {
                pipeline = pipeline.with_guide(Arc::new(ValueNetwork::new(Arc::clone(value)).or_raise()?));
            }
            if let Some(action_dim) = action_dim {
                pipeline = pipeline.with_action_dim(action_dim).or_raise()?;
            }
            Ok(Self::new(pipeline, Denoises::UNet(unet), value))
        })
    }

    /// With guides of Python beside its own, or in place of them, and the guides and constraints of a file's text.
    #[pyo3(signature = (guides, instead=false, text=None, path=None, env=None))]
    fn with_guides(
        &self,
        guides: Vec<Bound<'_, PyAny>>,
        instead: bool,
        text: Option<&str>,
        path: Option<PathBuf>,
        env: Option<&str>,
    ) -> PyResult<Self> {
        let mut pipeline = self.pipeline.clone();
        if instead {
            pipeline = pipeline.with_terms(Vec::new());
        }
        if let Some(text) = text {
            let path = path.unwrap_or_else(|| "guides".into());
            pipeline = caught(|| {
                let controls = Controls::from_toml(text, &path).or_raise()?;
                let context = context(&pipeline, env)?;
                controls.apply(pipeline.clone(), &context).or_raise()
            })?;
        }
        let mut terms: Vec<GuideTerm> = pipeline.guides().to_vec();
        for one in &guides {
            terms.push(guide::term(&pipeline, one)?);
        }
        let value_function = self.value_function.clone();
        Ok(Self::new(pipeline.with_terms(terms), self.unet.clone(), value_function))
    }

    /// The action of a plan: the call of diffusers.
    #[pyo3(signature = (obs, keywords=None, of_checkpoint=false, threads=None, seed=None, torch_seed=None, noise=None, generator=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of Python")]
    fn act(
        &self,
        py: Python<'_>,
        obs: &Bound<'_, PyAny>,
        keywords: Option<&Bound<'_, PyDict>>,
        of_checkpoint: bool,
        threads: Option<usize>,
        seed: Option<u64>,
        torch_seed: Option<i128>,
        noise: Option<&Bound<'_, PyAny>>,
        generator: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyArray1<f32>>> {
        let obs = arrays::vector(obs, "obs")?;
        let stock = self.stock(self.resolve(keywords, of_checkpoint)?, threads)?;
        let asked = Asked {
            held: vec![observed(obs.to_vec())],
            noise: planner::noise(py, seed, torch_seed, noise, generator)?,
            start: None,
        };
        let mut made = stock.plan(py, vec![asked])?;
        Ok(arrays::hand_over(py, made.plans.swap_remove(0).action))
    }

    /// What plans with these options.
    #[pyo3(signature = (keywords=None, of_checkpoint=true, threads=None))]
    fn planner(
        &self,
        keywords: Option<&Bound<'_, PyDict>>,
        of_checkpoint: bool,
        threads: Option<usize>,
    ) -> PyResult<Planner> {
        let options = self.resolve(keywords, of_checkpoint)?;
        let stock = Stock::new(self.pipeline.clone(), options, threads)?;
        Ok(Planner(Arc::new(stock)))
    }

    /// Calls off the plans in the making.
    fn cancel(&self) {
        let stocks = self.stocks.lock().unwrap_or_else(PoisonError::into_inner);
        stocks.iter().for_each(|stock| stock.cancel());
    }

    /// Keywords over what holds without them, all options by name.
    #[pyo3(signature = (keywords=None, of_checkpoint=true))]
    fn resolved<'py>(
        &self,
        py: Python<'py>,
        keywords: Option<&Bound<'py, PyDict>>,
        of_checkpoint: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        dictionary(py, &self.resolve(keywords, of_checkpoint)?)
    }

    #[getter]
    fn unet(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(match &self.unet {
            Denoises::UNet(unet) => Py::new(py, UNet1DModel(Arc::clone(unet)))?.into_any(),
            Denoises::Python(denoiser) => denoiser.clone_ref(py),
        })
    }

    #[getter]
    fn value_function(&self) -> Option<UNet1DModel> {
        self.value_function.as_ref().map(|value| UNet1DModel(Arc::clone(value)))
    }

    #[getter]
    fn scheduler(&self) -> Scheduler {
        Scheduler(Arc::clone(self.pipeline.scheduler()))
    }

    #[getter]
    fn normalizers(&self) -> Normalizers {
        Normalizers(Arc::new(self.pipeline.normalizers().clone()))
    }

    #[getter]
    fn planning_config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let config = serde_json::to_value(self.pipeline.planning_config()).unwrap_or_default();
        json::dictionary(py, config.as_object().unwrap_or(&serde_json::Map::new()))
    }

    #[getter]
    fn action_dim(&self) -> usize {
        self.pipeline.action_dim()
    }

    #[getter]
    fn observation_dim(&self) -> usize {
        self.pipeline.observation_dim()
    }

    /// What was odd and harmless in the files, and what is legal but almost surely wrong, a sentence each.
    #[getter]
    fn notes(&self) -> Vec<String> {
        let found = doctor::examine(&self.pipeline);
        let found = found.iter().map(ToString::to_string);
        self.pipeline.notes().iter().cloned().chain(found).collect()
    }

    /// The names of what guides.
    #[getter]
    fn guides(&self) -> Vec<String> {
        self.pipeline
            .guides()
            .iter()
            .map(|term| term.name().to_owned())
            .collect()
    }
}
