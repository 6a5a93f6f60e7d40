//! [`DatasetReader`]: a dataset that was looked at and not yet read: into memory, or in blocks of rows, so that it may be larger than
//! memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::assemble::Plan;
use super::buffers::{Block, Buffers};
use super::layouts::{folder, imitation, lerobot, minari};
use super::memory::Budget;
use super::origin;
use super::tree::Tree;
use super::{
    About, Content, Facts, FileFormat, Keys, Kind, RawDataset, ReadError, ReadOptions, file_error, finish, kind_of,
    open, plan,
};
use crate::dataset::{Sets, split_sets};
use crate::packed::Packed;
use crate::{EpisodeRange, Error, RecordedEnv};

/// What arrays may take uncompressed for every byte of a file: more is a damaged file, or one in which hardly anything was written.
const MOST_INFLATED: u64 = 20_000;

/// Folders that are one dataset: how they are recognised and looked at.
type FolderKind = (
    fn(&Path) -> bool,
    fn(&Path, &ReadOptions) -> Result<(Box<dyn Tree>, Plan), ReadError>,
);
const FOLDERS: [FolderKind; 2] = [(lerobot::is, lerobot::open), (imitation::is, imitation::open)];

/// A dataset that was looked at. Files are opened again when they are read, where there are several.
pub struct DatasetReader {
    /// As it was given.
    path: PathBuf,
    /// The file itself, which is in the folder of a Minari dataset.
    file: PathBuf,
    options: ReadOptions,
    about: About,
    input: Input,
    /// Of observations and of actions.
    dimensions: (u64, u64),
}

enum Input {
    Files(Vec<Looked>),
    Packed(Arc<Packed>),
}

/// A file whose arrays were looked at.
struct Looked {
    path: PathBuf,
    /// Where it is one of several.
    name: Option<String>,
    tree: Option<Box<dyn Tree>>,
    plan: Plan,
    /// Bytes of the file; none where it is a folder.
    length: Option<u64>,
}

impl std::fmt::Debug for DatasetReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("DatasetReader");
        shown.field("path", &self.path).field("rows", &self.rows());
        shown.field("dimensions", &self.dimensions).finish_non_exhaustive()
    }
}

/// What was found in a dataset that was read in blocks.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// What it says beside its numbers.
    pub facts: Facts,
    /// Where its episodes begin and end.
    pub episodes: Result<Vec<EpisodeRange>, Error>,
}

impl DatasetReader {
    /// Looks at a file or folder.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with a [`ReadError`].
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let io = |error| Error::Io {
            path: path.into(),
            operation: "read",
            error,
        };
        let metadata = fs::metadata(path).map_err(io)?;
        if !metadata.is_dir() {
            fs::File::open(path).map_err(io)?;
            return Self::of_file(path, path, metadata.len(), options);
        }
        for (is, open) in FOLDERS {
            if is(path) {
                let (tree, plan) = open(path, options).map_err(|error| file_error(path, error.into()))?;
                return Ok(Self::of_tree(path, path, None, tree, plan, options));
            }
        }
        let none = match minari::file_in(path) {
            Ok(file) => {
                let length = fs::metadata(&file).map_err(io)?.len();
                return Self::of_file(path, &file, length, options);
            }
            Err(none) => none,
        };
        match folder::files(path).map_err(io)? {
            files if files.is_empty() => Err(file_error(path, none.into())),
            files => Self::of_folder(path, files, options),
        }
    }

    /// Looks at the content of a file; `path` is what it is called, and its ending decides where the first bytes do not. Of
    /// a Minari dataset this is its HDF5 file alone.
    ///
    /// # Errors
    /// [`Error::File`] with a [`ReadError`].
    pub fn from_bytes(
        bytes: impl Into<Arc<[u8]>>,
        path: impl AsRef<Path>,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let (bytes, path) = (bytes.into(), path.as_ref());
        let length = bytes.len() as u64;
        Self::of_content(&Content::Bytes(bytes), path, path, length, options)
    }

    fn of_file(path: &Path, file: &Path, length: u64, options: &ReadOptions) -> Result<Self, Error> {
        Self::of_content(&Content::File(file), path, file, length, options)
    }

    /// `path` is what it is called, and `file` what is in it.
    fn of_content(
        content: &Content<'_>,
        path: &Path,
        file: &Path,
        length: u64,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let wrong = |error: ReadError| file_error(path, error.into());
        if kind_of(content, file).map_err(wrong)? == Kind::Packed {
            if options.rewards.is_some() || options.keys != Keys::default() {
                return Err(wrong(ReadError::Unreadable {
                    place: "packed dataset".into(),
                    reason: "--keys and --rewards are given when it is packed, and not when it is read".into(),
                }));
            }
            let packed = match content {
                Content::File(file) => Packed::open(file),
                Content::Bytes(bytes) => Packed::from_bytes(Arc::clone(bytes), path),
            }?;
            return Ok(Self::of_packed(Arc::new(packed), options));
        }
        let budget = Budget::new(options.max_memory);
        let (mut tree, kind) = open(content, file, budget).map_err(wrong)?;
        let place = match content {
            Content::File(file) => Some(*file),
            Content::Bytes(_) => None,
        };
        let plan = plan(&mut *tree, kind, place, options).map_err(wrong)?;
        Ok(Self::of_tree(path, file, Some(length), tree, plan, options))
    }

    fn of_tree(
        path: &Path,
        file: &Path,
        length: Option<u64>,
        mut tree: Box<dyn Tree>,
        plan: Plan,
        options: &ReadOptions,
    ) -> Self {
        Self {
            path: path.into(),
            file: file.into(),
            options: options.clone(),
            about: About::of(&mut *tree, plan.map()),
            dimensions: plan.dimensions(),
            input: Input::Files(vec![Looked {
                path: file.into(),
                name: None,
                tree: Some(tree),
                plan,
                length,
            }]),
        }
    }

    fn of_folder(path: &Path, files: Vec<PathBuf>, options: &ReadOptions) -> Result<Self, Error> {
        let budget = Budget::new(options.max_memory);
        let mut looked: Vec<Looked> = Vec::with_capacity(files.len());
        let mut about = None;
        for file in files {
            let (mut tree, plan) = opened(&file, budget, options).map_err(|error| file_error(&file, error.into()))?;
            if let Some(first) = looked.first() {
                folder::check_dimensions(&plan, &first.plan, &first.path)
                    .map_err(|error| file_error(&file, error.into()))?;
            }
            about = about.or_else(|| Some(About::of(&mut *tree, plan.map())));
            // A file is open while it is looked at and while it is read, not in between: there may be more of them than may be open.
            looked.push(Looked {
                name: Some(file.file_name().unwrap_or_default().to_string_lossy().into_owned()),
                tree: None,
                plan,
                length: fs::metadata(&file).ok().map(|metadata| metadata.len()),
                path: file,
            });
        }
        let (Some(about), Some(first)) = (about, looked.first()) else {
            let found = "it is a folder without dataset files".into();
            return Err(file_error(path, ReadError::UnknownFormat { found }.into()));
        };
        Ok(Self {
            path: path.into(),
            file: path.into(),
            options: options.clone(),
            about,
            dimensions: first.plan.dimensions(),
            input: Input::Files(looked),
        })
    }

    /// A packed dataset that is open.
    #[must_use]
    pub fn of_packed(packed: Arc<Packed>, options: &ReadOptions) -> Self {
        use crate::Transitions;
        Self {
            path: packed.path().into(),
            file: packed.path().into(),
            options: options.clone(),
            about: packed.about(),
            dimensions: (packed.observation_dim() as u64, packed.action_dim() as u64),
            input: Input::Packed(packed),
        }
    }

    /// The packed dataset, if it is one.
    #[must_use]
    pub fn packed(&self) -> Option<&Arc<Packed>> {
        match &self.input {
            Input::Packed(packed) => Some(packed),
            Input::Files(_) => None,
        }
    }

    /// Rows, those of no finished episode among them.
    #[must_use]
    pub fn rows(&self) -> u64 {
        match &self.input {
            Input::Files(files) => files.iter().map(|file| file.plan.steps()).fold(0, u64::saturating_add),
            Input::Packed(packed) => crate::Transitions::rows(&**packed) as u64,
        }
    }

    /// Dimensions of an observation.
    #[must_use]
    pub fn observation_dim(&self) -> usize {
        self.dimensions.0 as usize
    }

    /// Dimensions of an action.
    #[must_use]
    pub fn action_dim(&self) -> usize {
        self.dimensions.1 as usize
    }

    /// What kind of file it is.
    #[must_use]
    pub fn format(&self) -> FileFormat {
        self.about.format
    }

    /// The environment, where it is known.
    #[must_use]
    pub fn recorded_env(&self) -> Option<&RecordedEnv> {
        self.about.env.as_ref()
    }

    /// Reads all of it into memory.
    ///
    /// # Errors
    /// [`Error::File`] with a [`ReadError`], [`ReadError::Memory`] where it does not fit.
    pub fn read_all(self) -> Result<RawDataset, Error> {
        let (path, file, options) = (self.path, self.file, self.options);
        let budget = Budget::new(options.max_memory);
        let wrong = |error: ReadError| file_error(&path, error.into());
        let mut files = match self.input {
            Input::Files(files) => files,
            Input::Packed(packed) => {
                budget.check(packed.in_memory_bytes()).map_err(wrong)?;
                return packed.read_all(&self.about);
            }
        };
        let plans = || files.iter().map(|file| &file.plan);
        let kept = plans().map(Plan::kept).fold(0, u64::saturating_add);
        let transient = plans().map(Plan::transient).max().unwrap_or(0);
        budget.check(kept.saturating_add(transient)).map_err(wrong)?;
        let mut buffers = Buffers::of(plans()).map_err(wrong)?;
        for one in &mut files {
            one.read(&path, budget, &mut buffers, &mut |_| Ok(()))?;
        }
        finish(&file, self.about, buffers, &options).map_err(wrong)
    }

    /// Looks where episodes end, without reading rows: not yet known is whether an episode that is a group ends in a terminal state.
    ///
    /// # Errors
    /// [`Error::File`] with a [`ReadError`], or with [`Error::NoEpisodeEnd`].
    pub fn look(&mut self, max_episode_steps: Option<usize>) -> Result<Vec<EpisodeRange>, Error> {
        let files = match &mut self.input {
            Input::Packed(packed) => return Ok(crate::Transitions::episodes(&**packed).to_vec()),
            Input::Files(files) => files,
        };
        let budget = Budget::new(self.options.max_memory);
        let mut all = Sets::default();
        for file in files {
            file.check_claim()
                .map_err(|error| file_error(&file.path, error.into()))?;
            let several = file.name.is_some();
            file.with_tree(&self.path, budget, |tree, plan| plan.look(tree, several))?;
            let found = file.plan.found();
            all.append(found.rows, found.terminals, found.timeouts);
        }
        split_sets(&all, max_episode_steps).map_err(|error| file_error(&self.file, error))
    }

    /// Reads all of it once, a block of rows at a time, in memory for a few of them. Its numbers may be NaN.
    ///
    /// # Errors
    /// [`Error::File`] with a [`ReadError`]; those of `show`.
    pub fn each(
        self,
        max_episode_steps: Option<usize>,
        show: &mut dyn FnMut(&Block<'_>) -> Result<(), Error>,
    ) -> Result<Found, Error> {
        let (path, options) = (self.path, self.options);
        let mut files = match self.input {
            Input::Packed(packed) => return packed.each(&self.about, max_episode_steps, show),
            Input::Files(files) => files,
        };
        let budget = Budget::new(options.max_memory);
        let mut buffers = Buffers::emptied(self.dimensions);
        let mut refused: Option<Error> = None;
        for file in &mut files {
            file.check_claim()
                .map_err(|error| file_error(&file.path, error.into()))?;
            let read = file.read(&path, budget, &mut buffers, &mut |buffers| {
                if let Some(rule) = &options.rewards {
                    buffers.replace_rewards(rule)?;
                }
                let mut shown = Ok(());
                buffers.drain(&mut |block| {
                    shown = show(block);
                    Ok(())
                })?;
                // It comes out of here as what it is, whatever reading would make of it.
                shown.map_err(|error| {
                    refused = Some(error);
                    ReadError::ZeroEpisodeSteps
                })
            });
            if let Some(error) = refused {
                let found = origin::found(error, &buffers.origins, &buffers.groups);
                return Err(match found {
                    Error::NonFiniteData { .. } | Error::Read(_) => file_error(&path, found),
                    other => other,
                });
            }
            read?;
        }
        let found = Sets {
            rows: buffers.rows,
            terminals: buffers.terminals.take(),
            timeouts: buffers.timeouts.take(),
        };
        let episodes = split_sets(&found, max_episode_steps).map_err(|error| file_error(&self.file, error));
        Ok(Found {
            facts: Facts {
                path: self.file,
                format: self.about.format,
                recorded_env: self.about.env,
                metadata: self.about.metadata,
                arrays: self.about.arrays,
                rows: buffers.rows,
                both_flags: found.both(),
                timeouts: found.timeouts.as_ref().map(Vec::len),
                flags_within: buffers.flags_within,
                empty_episodes: buffers.empty,
                short_episodes: buffers.short,
                layout_notes: buffers.notes(),
                notes: buffers.file_notes(),
                packed_notes: Vec::new(),
            },
            episodes,
        })
    }

    /// Bytes of a row in memory or in a packed file.
    #[must_use]
    pub fn bytes_of_row(&self) -> u64 {
        self.dimensions
            .0
            .saturating_add(self.dimensions.1)
            .saturating_mul(4)
            .saturating_add(8)
    }
}

fn opened(file: &Path, budget: Budget, options: &ReadOptions) -> Result<(Box<dyn Tree>, Plan), ReadError> {
    let (mut tree, kind) = open(&Content::File(file), file, budget)?;
    let plan = plan(&mut *tree, kind, Some(file), options)?;
    Ok((tree, plan))
}

impl Looked {
    /// # Errors
    /// If it says that it holds far more than can be in a file of its length.
    fn check_claim(&self) -> Result<(), ReadError> {
        let claimed = self.plan.claimed();
        match self.length {
            Some(length) if claimed > length.saturating_mul(MOST_INFLATED) => Err(ReadError::Unreadable {
                place: "file".into(),
                reason: format!(
                    "it says that it holds {claimed} bytes of numbers, and has {length}: it is damaged, or was never filled"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Opens it if it is not open, and closes it again.
    fn with_tree<T>(
        &mut self,
        whole: &Path,
        budget: Budget,
        use_it: impl FnOnce(&mut dyn Tree, &mut Plan) -> Result<T, ReadError>,
    ) -> Result<T, Error> {
        let several = self.name.is_some();
        let path = if several { &self.path } else { whole };
        let wrong = |error: ReadError| file_error(path, error.into());
        match &mut self.tree {
            Some(tree) => use_it(&mut **tree, &mut self.plan).map_err(wrong),
            None => {
                let (mut tree, _) = open(&Content::File(&self.path), &self.path, budget).map_err(wrong)?;
                use_it(&mut *tree, &mut self.plan).map_err(wrong)
            }
        }
    }

    fn read(
        &mut self,
        whole: &Path,
        budget: Budget,
        to: &mut Buffers,
        each: &mut dyn FnMut(&mut Buffers) -> Result<(), ReadError>,
    ) -> Result<(), Error> {
        let name = self.name.clone();
        self.with_tree(whole, budget, |tree, plan| plan.read(tree, name.as_deref(), to, each))
    }
}
