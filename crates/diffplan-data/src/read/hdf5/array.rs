//! One array of a file: what it is, and its bytes.

use hdf5_reader::error::Error;
use hdf5_reader::io::Cursor;
use hdf5_reader::messages::layout::{self, DataLayout};
use hdf5_reader::messages::{
    MSG_DATA_LAYOUT, MSG_DATASPACE, MSG_DATATYPE, MSG_EXTERNAL_FILES, MSG_FILL_VALUE, MSG_FILTER_PIPELINE, dataspace,
    fill_value, filter_pipeline,
};
use hdf5_reader::{Dataset, FilterRegistry};

use super::filters;
use super::links::Place;
use super::objects::Object;
use super::types::Type;
use super::{view, virtual_dataset};

/// Virtual datasets of virtual datasets.
pub(super) const MOST_DEPTH: usize = 8;
/// The class of a virtual dataset's layout.
const VIRTUAL: u8 = 3;

/// An array as it is stored.
pub(super) struct Stored {
    pub(super) place: Place,
    pub(super) shape: Vec<u64>,
    pub(super) of: Type,
    /// What is where nothing was written.
    pub(super) fill: Option<Vec<u8>>,
    object: Object,
}

impl Stored {
    pub(super) fn at(place: Place) -> Result<Self, Error> {
        let object = Object::at(&place.core, place.address)?;
        Self::of(place, object)
    }

    pub(super) fn of(place: Place, object: Object) -> Result<Self, Error> {
        let core = &place.core;
        let missing = |what: &str| Error::InvalidData(format!("an array without {what}"));
        let space = object.message(core, MSG_DATASPACE)?.ok_or_else(|| missing("a shape"))?;
        let space = dataspace::parse(
            &mut Cursor::new(&space),
            core.offset_size,
            core.length_size,
            space.len(),
        )?;
        let shape = match space.dataspace_type {
            dataspace::DataspaceType::Scalar => Vec::new(),
            dataspace::DataspaceType::Null => vec![0],
            dataspace::DataspaceType::Simple => space.dims,
        };
        let of = object.message(core, MSG_DATATYPE)?.ok_or_else(|| missing("a type"))?;
        let fill = object.message(core, MSG_FILL_VALUE)?.and_then(|message| {
            let mut cursor = Cursor::new(&message);
            let fill = fill_value::parse_new(&mut cursor, core.offset_size, core.length_size, message.len());
            fill.ok()?.value
        });
        Ok(Self {
            shape,
            of: Type::parse(&of)?,
            fill,
            object,
            place,
        })
    }

    /// Elements, as many as fit where there are more.
    pub(super) fn len(&self) -> u64 {
        self.shape.iter().fold(1, |all: u64, one| all.saturating_mul(*one))
    }

    /// The elements as they are in the file, uncompressed.
    pub(super) fn raw(&self, depth: usize) -> Result<Vec<u8>, Error> {
        if self.is_virtual()? {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(Error::InvalidData("virtual datasets of virtual datasets".into()));
            };
            return virtual_dataset::read(self, &self.layout()?, depth);
        }
        if let Some(address) = self.contiguous()? {
            let length = self.len().saturating_mul(u64::from(self.of.size));
            // More than the file has is refused before there is room for it.
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            return Ok(self.place.core.storage.read_range(address, length)?.to_vec());
        }
        self.open()?.read_raw_bytes()
    }

    fn layout(&self) -> Result<Vec<u8>, Error> {
        let layout = self.object.message(&self.place.core, MSG_DATA_LAYOUT)?;
        let layout = layout.ok_or_else(|| Error::InvalidData("an array without a place for its numbers".into()))?;
        Ok(layout.to_vec())
    }

    /// Whether it is made of parts of other arrays.
    pub(super) fn is_virtual(&self) -> Result<bool, Error> {
        Ok(matches!(self.layout()?[..], [version, VIRTUAL, ..] if version >= 4))
    }

    /// Where the elements lie in this file, one after the other; none where they lie otherwise.
    pub(super) fn contiguous(&self) -> Result<Option<u64>, Error> {
        let (core, layout) = (&self.place.core, self.layout()?);
        if self.is_virtual()? || self.object.all(MSG_EXTERNAL_FILES).next().is_some() {
            return Ok(None);
        }
        let parsed = layout::parse(
            &mut Cursor::new(&layout),
            core.offset_size,
            core.length_size,
            layout.len(),
        )?;
        Ok(match parsed.layout {
            DataLayout::Contiguous { address, .. } if !Cursor::is_undefined_offset(address, core.offset_size) => {
                Some(address)
            }
            _ => None,
        })
    }

    /// The array as `hdf5-reader` has it.
    pub(super) fn open(&self) -> Result<Dataset, Error> {
        let core = &self.place.core;
        let sizes = (core.offset_size, core.length_size);
        let mut registry = FilterRegistry::new();
        if let Some(message) = self.object.message(core, MSG_FILTER_PIPELINE)? {
            let pipeline = filter_pipeline::parse(&mut Cursor::new(&message), sizes.0, sizes.1, message.len())?;
            let layout = self.object.message(core, MSG_DATA_LAYOUT)?.unwrap_or_default();
            let layout = layout::parse(&mut Cursor::new(&layout), sizes.0, sizes.1, layout.len())?;
            let chunk = match layout.layout {
                DataLayout::Chunked { dims, .. } => dims
                    .iter()
                    .fold(u64::from(self.of.size), |all, one| all.saturating_mul(u64::from(*one))),
                _ => 0,
            };
            registry = filters::registry(&pipeline.filters, chunk)?;
        }
        view::dataset(&self.place, registry)
    }
}
