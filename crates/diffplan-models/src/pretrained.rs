//! [`Registry`]: networks by the class that their `config.json` names.

use crate::error::{Error, Result};
use crate::network::Network;
use crate::unet1d::UNet1dModel;
use diffplan_files::{Folder, nearest, parse_json_object};
use std::fmt;
use std::sync::Arc;

/// Name of a network's configuration in its folder.
pub const CONFIG_NAME: &str = "config.json";

type Load = Arc<dyn Fn(&Folder) -> Result<Arc<dyn Network>> + Send + Sync>;

/// The classes of denoisers there are, by `_class_name`; one's own can be registered beside them.
#[derive(Clone)]
pub struct Registry {
    entries: Vec<(String, Load)>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.classes()).finish()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::builtin()
    }
}

impl Registry {
    /// Those of this crate: `UNet1DModel`.
    pub fn builtin() -> Self {
        let mut registry = Self { entries: Vec::new() };
        registry.register(UNet1dModel::CLASS_NAME, |folder| {
            Ok(Arc::new(UNet1dModel::from_folder(folder)?))
        });
        registry
    }

    /// Adds a class, in place of one of the same name; `load` makes a network of its folder.
    pub fn register(
        &mut self,
        class: &str,
        load: impl Fn(&Folder) -> Result<Arc<dyn Network>> + Send + Sync + 'static,
    ) {
        self.entries.retain(|(other, _)| other != class);
        self.entries.push((class.to_owned(), Arc::new(load)));
    }

    /// The classes, as files spell them.
    pub fn classes(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.iter().map(|(class, _)| class.as_str())
    }

    /// The network of a folder, by the `_class_name` of its `config.json`; a file that names none is a `UNet1DModel`'s.
    ///
    /// # Errors
    /// If the file is missing or no JSON, names a class that is not here, or what its class says of the rest.
    pub fn load(&self, folder: &Folder) -> Result<Arc<dyn Network>> {
        let path = folder.path_of(CONFIG_NAME);
        let config = parse_json_object(&folder.read(CONFIG_NAME)?, &path)?;
        let class = match config.get("_class_name") {
            None | Some(serde_json::Value::Null) => UNet1dModel::CLASS_NAME,
            Some(serde_json::Value::String(name)) => name,
            Some(other) => {
                let reason = format!("{other}, expected the name of a class");
                return Err(Error::config("_class_name", reason).in_file(&path));
            }
        };
        match self.entries.iter().find(|(name, _)| name == class) {
            Some((_, load)) => load(folder),
            None => {
                let meant =
                    nearest(class, self.classes()).map_or(String::new(), |name| format!("; did you mean {name}?"));
                let there: Vec<&str> = self.classes().collect();
                let reason = format!("{class:?} is not supported{meant}; there is {}", there.join(", "));
                Err(Error::config("_class_name", reason).in_file(&path))
            }
        }
    }
}
