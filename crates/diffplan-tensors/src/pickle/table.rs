//! The values of a pickle, by number.

use super::MAX_VALUES;
use crate::dtype::Dtype;
use std::collections::HashMap;

/// The number of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(super) u32);

/// A value.
#[derive(Debug)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// Beyond 64 bits: in decimal, where that is short, else in hexadecimal.
    Big(Box<str>),
    Float(f64),
    Str(Box<str>),
    Bytes(Box<[u8]>),
    List(Vec<Id>),
    Tuple(Box<[Id]>),
    Set(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A class or function.
    Global(Box<(String, String)>),
    Object(Box<ObjectNode>),
    /// What torch keeps outside of the pickle.
    Storage(Box<StorageNode>),
    Tensor(Box<TensorNode>),
}

/// What a call would have made.
#[derive(Debug)]
pub(crate) struct ObjectNode {
    /// What was called: a [`Node::Global`] or another object.
    pub(crate) class: Id,
    pub(crate) args: Id,
    pub(crate) state: Option<Id>,
    pub(crate) items: Vec<Id>,
    pub(crate) entries: Vec<(Id, Id)>,
}

/// A storage by its key.
#[derive(Clone, Debug)]
pub(crate) struct StorageNode {
    pub(crate) key: String,
    /// None for bytes whose type stands with the tensor.
    pub(crate) dtype: Option<Dtype>,
    pub(crate) numel: u64,
}

/// A view of a storage.
#[derive(Debug)]
pub(crate) struct TensorNode {
    pub(crate) storage: Id,
    pub(crate) dtype: Dtype,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// All values. Those that need no room of their own are there from the start.
#[derive(Debug)]
pub(crate) struct Table {
    nodes: Vec<Node>,
}

impl Table {
    pub(super) const NONE: Id = Id(0);
    pub(super) const FALSE: Id = Id(1);
    pub(super) const TRUE: Id = Id(2);
    pub(super) const EMPTY_TUPLE: Id = Id(3);
    /// The first of the bytes.
    const BYTES: u32 = 4;

    pub(super) fn new() -> Self {
        let fixed = [
            Node::None,
            Node::Bool(false),
            Node::Bool(true),
            Node::Tuple(Box::default()),
        ];
        Self {
            nodes: fixed.into_iter().chain((0..256).map(Node::Int)).collect(),
        }
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn node_mut(&mut self, id: Id) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    pub(super) fn add(&mut self, node: Node) -> Result<Id, String> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values: no checkpoint has so many"));
        }
        self.nodes.push(node);
        Ok(Id((self.nodes.len() - 1) as u32))
    }

    pub(super) fn int(&mut self, value: i64) -> Result<Id, String> {
        match u8::try_from(value) {
            Ok(byte) => Ok(Id(Self::BYTES + u32::from(byte))),
            Err(_) => self.add(Node::Int(value)),
        }
    }

    pub(crate) fn str(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Module and name of a class or function.
    pub(crate) fn global(&self, id: Id) -> Option<(&str, &str)> {
        match self.node(id) {
            Node::Global(names) => Some((&names.0, &names.1)),
            _ => None,
        }
    }

    /// All tensors, in the order they were made.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (Id, &TensorNode)> {
        let numbered = self.nodes.iter().enumerate();
        numbered.filter_map(|(id, node)| match node {
            Node::Tensor(tensor) => Some((Id(id as u32), &**tensor)),
            _ => None,
        })
    }

    /// All storages.
    pub(crate) fn storages(&self) -> impl Iterator<Item = (Id, &StorageNode)> {
        let numbered = self.nodes.iter().enumerate();
        numbered.filter_map(|(id, node)| match node {
            Node::Storage(storage) => Some((Id(id as u32), &**storage)),
            _ => None,
        })
    }

    /// Where a dictionary was given one key twice, it has the last value in the first one's place, as in Python.
    pub(super) fn settle(&mut self) {
        #[derive(PartialEq, Eq, Hash)]
        enum Key<'a> {
            Str(&'a str),
            Int(i64),
            Other(Id),
        }
        for at in 0..self.nodes.len() {
            let entries = match &mut self.nodes[at] {
                Node::Dict(entries) => std::mem::take(entries),
                Node::Object(object) => std::mem::take(&mut object.entries),
                _ => continue,
            };
            let mut place = HashMap::with_capacity(entries.len());
            let mut settled: Vec<(Id, Id)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let known = match self.node(key) {
                    Node::Str(text) => Key::Str(text),
                    Node::Int(number) => Key::Int(*number),
                    _ => Key::Other(key),
                };
                let at = *place.entry(known).or_insert(settled.len());
                match settled.get_mut(at) {
                    Some(entry) => entry.1 = value,
                    None => settled.push((key, value)),
                }
            }
            match &mut self.nodes[at] {
                Node::Dict(entries) => *entries = settled,
                Node::Object(object) => object.entries = settled,
                _ => {}
            }
        }
    }
}
