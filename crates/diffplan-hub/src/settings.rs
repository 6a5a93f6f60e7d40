//! [`Settings`]: where, as whom, whether at all; from the variables that huggingface_hub reads.

use crate::error::{Error, Result};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A secret: it cannot be printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// `None` of an empty one.
    ///
    /// # Errors
    /// If it cannot stand in a header; it is not said how it looks.
    pub fn new(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        match text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok((!text.is_empty()).then(|| Self(text.to_owned()))),
            false => Err(Error::Setting {
                name: "HF_TOKEN",
                reason: "the token has characters that no token has (it may be from HF_TOKEN_PATH or $HF_HOME/token)"
                    .into(),
            }),
        }
    }

    pub(crate) fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// How the Hub is used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The folder of all repositories: `$HF_HUB_CACHE`, `$HUGGINGFACE_HUB_CACHE`, `$HF_HOME/hub`, `$XDG_CACHE_HOME/huggingface/hub` or
    /// `~/.cache/huggingface/hub`.
    pub cache: PathBuf,
    /// `$HF_ENDPOINT`, or `https://huggingface.co`, without a last `/`.
    pub endpoint: String,
    /// `$HF_TOKEN`, or what is in the file `$HF_TOKEN_PATH` or `$HF_HOME/token`.
    pub token: Option<Token>,
    /// `$HF_HUB_OFFLINE`: nothing is asked for over the network.
    pub offline: bool,
    /// How often in a row something may fail for want of a network or a well server.
    pub tries: u32,
    /// How often in a row a host is asked that does not answer at all.
    pub tries_to_reach: u32,
    /// The pause after the first failure; it doubles.
    pub pause: Duration,
    /// How long a host is waited for, first for its address and then for itself.
    pub connect: Duration,
}

impl Settings {
    /// With this cache, and defaults for the rest.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            endpoint: "https://huggingface.co".into(),
            token: None,
            offline: false,
            tries: 5,
            tries_to_reach: 2,
            pause: Duration::from_millis(500),
            connect: Duration::from_secs(15),
        }
    }

    /// From the environment. (`HF_HUB_DISABLE_TELEMETRY` needs no look: nothing is ever told but name and version of the program.)
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| set(name).map(PathBuf::from);
        let user = path("HOME").or_else(|| path("USERPROFILE"));
        let in_home = |path: PathBuf| match (path.strip_prefix("~"), &user) {
            (Ok(rest), Some(user)) => user.join(rest),
            _ => path,
        };
        let caches = path("XDG_CACHE_HOME").or_else(|| Some(user.as_ref()?.join(".cache")));
        let home = path("HF_HOME")
            .or_else(|| Some(caches?.join("huggingface")))
            .map(in_home);
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .map(in_home);
        let cache = cache
            .or_else(|| Some(home.as_ref()?.join("hub")))
            .ok_or_else(|| Error::Setting {
                name: "HF_HOME",
                reason: "neither it nor HOME is set, expected a folder for what is downloaded".into(),
            })?;
        let token_file = path("HF_TOKEN_PATH").map(in_home).or_else(|| Some(home?.join("token")));
        let token = set("HF_TOKEN").or_else(|| fs::read_to_string(token_file?).ok());
        let mut settings = Self::new(cache);
        settings.token = Token::new(&token.unwrap_or_default())?;
        let yes = |value: String| ["1", "ON", "YES", "TRUE"].contains(&value.trim().to_uppercase().as_str());
        settings.offline = set("HF_HUB_OFFLINE").is_some_and(yes);
        if let Some(endpoint) = set("HF_ENDPOINT") {
            settings.endpoint = endpoint.trim().trim_end_matches('/').to_owned();
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Settings {
        let get = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::from_variables(get).unwrap()
    }

    #[test]
    fn the_cache_is_where_huggingface_hub_has_it() {
        let home = ("HOME", "/u");
        for (variables, cache) in [
            (&[home][..], "/u/.cache/huggingface/hub"),
            (&[home, ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[home, ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")], "/h/hub"),
            (&[home, ("HF_HOME", "~/h"), ("HUGGINGFACE_HUB_CACHE", "")], "/u/h/hub"),
            (&[home, ("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[home, ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")], "/c"),
        ] {
            assert_eq!(of(variables).cache, PathBuf::from(cache), "{variables:?}");
        }
        assert!(Settings::from_variables(|_| None).is_err());
    }

    #[test]
    fn tokens_come_from_a_variable_or_a_file_and_are_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "hf_secret\n").unwrap();
        let at = file.to_str().unwrap();
        for variables in [
            &[("HOME", "/u"), ("HF_TOKEN_PATH", at)][..],
            &[("HF_HOME", folder.path().to_str().unwrap())],
            &[("HOME", "/u"), ("HF_TOKEN", " hf_secret ")],
        ] {
            let settings = of(variables);
            assert_eq!(settings.token.as_ref().unwrap().secret(), "hf_secret");
            assert!(!format!("{settings:?}").contains("secret"));
        }
        let error = Token::new("hf_secret\nx").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(of(&[("HOME", "/u"), ("HF_HUB_OFFLINE", "true")]).offline);
        assert!(!of(&[("HOME", "/u"), ("HF_HUB_OFFLINE", "0")]).offline);
    }
}
