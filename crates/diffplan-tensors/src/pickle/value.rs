//! [`Value`]: a value of a pickle, to be asked.

use super::table::{Id, Node, Table};
use std::fmt;

/// A value in a pickle.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    table: &'a Table,
    id: Id,
}

/// What a value is. Lists of values come as iterators, in the order of the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A larger one, in decimal; beyond 512 bits its size alone.
    BigInt(&'a str),
    /// A number.
    Float(f64),
    /// Text.
    Str(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list.
    List(Vec<Value<'a>>),
    /// A tuple.
    Tuple(Vec<Value<'a>>),
    /// A set.
    Set(Vec<Value<'a>>),
    /// A dictionary, in order.
    Dict(Vec<(Value<'a>, Value<'a>)>),
    /// A tensor: [`TorchFile::tensor`](crate::TorchFile::tensor) gives it.
    Tensor,
    /// A class or function: module and name.
    Global(&'a str, &'a str),
    /// An object of a class that is not known here.
    Object(Object<'a>),
}

/// An object that was not made: its class, arguments and state can be asked for.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    value: Value<'a>,
}

impl<'a> Value<'a> {
    pub(crate) fn new(table: &'a Table, id: Id) -> Self {
        Self { table, id }
    }

    pub(crate) fn id(self) -> Id {
        self.id
    }

    fn at(self, id: Id) -> Self {
        Self { id, ..self }
    }

    fn all(self, ids: &[Id]) -> Vec<Self> {
        ids.iter().map(|&id| self.at(id)).collect()
    }

    fn entries(self, entries: &[(Id, Id)]) -> Vec<(Self, Self)> {
        entries
            .iter()
            .map(|&(key, value)| (self.at(key), self.at(value)))
            .collect()
    }

    /// What it is.
    pub fn kind(self) -> Kind<'a> {
        match self.table.node(self.id) {
            Node::None | Node::Storage(_) => Kind::None,
            Node::Bool(value) => Kind::Bool(*value),
            Node::Int(value) => Kind::Int(*value),
            Node::Big(value) => Kind::BigInt(value),
            Node::Float(value) => Kind::Float(*value),
            Node::Str(value) => Kind::Str(value),
            Node::Bytes(value) => Kind::Bytes(value),
            Node::List(ids) => Kind::List(self.all(ids)),
            Node::Tuple(ids) => Kind::Tuple(self.all(ids)),
            Node::Set(ids) => Kind::Set(self.all(ids)),
            Node::Dict(entries) => Kind::Dict(self.entries(entries)),
            Node::Tensor(_) => Kind::Tensor,
            Node::Global(names) => Kind::Global(&names.0, &names.1),
            Node::Object(_) => Kind::Object(Object { value: self }),
        }
    }

    /// The value under a key of a dictionary, or of an object: of its own entries, or a field of its state.
    pub fn get(self, key: &str) -> Option<Self> {
        let find = |entries: &[(Id, Id)]| {
            let found = entries.iter().find(|(name, _)| self.table.str(*name) == Some(key));
            found.map(|&(_, value)| self.at(value))
        };
        let fields = |id: Id| match self.table.node(id) {
            Node::Dict(entries) => find(entries),
            // A state in two: the fields, and those that lie in slots.
            Node::Tuple(parts) => parts.iter().find_map(|&part| match self.table.node(part) {
                Node::Dict(entries) => find(entries),
                _ => None,
            }),
            _ => None,
        };
        match self.table.node(self.id) {
            Node::Dict(entries) => find(entries),
            Node::Object(object) => find(&object.entries).or_else(|| fields(object.state?)),
            _ => None,
        }
    }

    /// The text it is, if it is one.
    pub fn as_str(self) -> Option<&'a str> {
        self.table.str(self.id)
    }

    /// The integer of 64 bits it is, if it is one.
    pub fn as_int(self) -> Option<i64> {
        match self.table.node(self.id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number it is, if it is one.
    pub fn as_f64(self) -> Option<f64> {
        match self.table.node(self.id) {
            Node::Int(value) => Some(*value as f64),
            Node::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// The truth value it is, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.table.node(self.id) {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// What kind of value it is, in a word or two.
    pub fn describe(self) -> String {
        match self.table.node(self.id) {
            Node::None => "None".into(),
            Node::Bool(_) => "a truth value".into(),
            Node::Int(_) | Node::Big(_) => "an integer".into(),
            Node::Float(_) => "a number".into(),
            Node::Str(_) => "a string".into(),
            Node::Bytes(_) => "bytes".into(),
            Node::List(_) => "a list".into(),
            Node::Tuple(_) => "a tuple".into(),
            Node::Set(_) => "a set".into(),
            Node::Dict(_) => "a dictionary".into(),
            Node::Storage(_) => "a storage".into(),
            Node::Tensor(_) => "a tensor".into(),
            Node::Global(names) => format!("the name {}.{}", names.0.escape_debug(), names.1.escape_debug()),
            Node::Object(_) => format!("an object of {}", Object { value: self }.class().escape_debug()),
        }
    }
}

impl fmt::Debug for Value<'_> {
    /// What kind of value it is; not what is in it, which may be itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl<'a> Object<'a> {
    /// Module and name of its class, or of the function that would have made it, with a dot between.
    pub fn class(self) -> String {
        let table = self.value.table;
        let mut id = self.value.id;
        loop {
            match table.node(id) {
                Node::Object(object) => id = object.class,
                Node::Global(names) => return format!("{}.{}", names.0, names.1),
                _ => return String::from("nothing"),
            }
        }
    }

    /// What it would have been made with.
    pub fn args(self) -> Option<Value<'a>> {
        match self.value.table.node(self.value.id) {
            Node::Object(object) => Some(self.value.at(object.args)),
            _ => None,
        }
    }

    /// A field of its state, or an entry.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.value.get(key)
    }

    /// Its fields, in order, where its state is a dictionary.
    pub fn fields(self) -> Vec<(Value<'a>, Value<'a>)> {
        let Node::Object(object) = self.value.table.node(self.value.id) else {
            return Vec::new();
        };
        match object.state.map(|state| self.value.table.node(state)) {
            Some(Node::Dict(entries)) => self.value.entries(entries),
            _ => Vec::new(),
        }
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.value.describe())
    }
}
