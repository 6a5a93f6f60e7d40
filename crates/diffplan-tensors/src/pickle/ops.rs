//! What opcodes do to values, and the few calls that are understood.

use super::table::{Id, Node, ObjectNode, StorageNode, Table, TensorNode};
use crate::dtype::Dtype;

/// What a call makes. Containers and tensors are themselves, anything else is an object without life.
pub(super) fn call(table: &mut Table, callee: Id, args: Id) -> Result<Id, String> {
    let Node::Tuple(items) = table.node(args) else {
        return Err("arguments that are no tuple".into());
    };
    let items = items.to_vec();
    let Some((module, name)) = table.global(callee) else {
        return object(table, callee, args);
    };
    match (module, name) {
        ("collections", "OrderedDict") if items.is_empty() => table.add(Node::Dict(Vec::new())),
        ("collections", "defaultdict") if items.len() <= 1 => table.add(Node::Dict(Vec::new())),
        ("collections", "OrderedDict") => ordered_dict(table, &items),
        ("__builtin__" | "builtins", "set" | "frozenset") => match items[..] {
            [] => table.add(Node::Set(Vec::new())),
            [only] => match table.node(only) {
                Node::List(items) | Node::Set(items) => {
                    let items = items.clone();
                    table.add(Node::Set(items))
                }
                _ => object(table, callee, args),
            },
            _ => object(table, callee, args),
        },
        ("__builtin__" | "builtins", "bytearray" | "bytes") => match items.first().map(|&id| table.node(id)) {
            Some(Node::Bytes(_)) => Ok(items[0]),
            _ => object(table, callee, args),
        },
        ("_codecs", "encode") => match items.first().and_then(|&id| table.str(id)) {
            // How protocol 2 writes bytes: as text of Latin-1.
            Some(text) => {
                let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                let bytes = bytes.ok_or("bytes that are no Latin-1")?;
                table.add(Node::Bytes(bytes.into()))
            }
            None => object(table, callee, args),
        },
        ("torch", "Size") => match items.first().map(|&id| table.node(id)) {
            Some(Node::Tuple(_)) => Ok(items[0]),
            Some(Node::List(sizes)) => {
                let sizes = sizes.clone().into();
                table.add(Node::Tuple(sizes))
            }
            _ => Err("torch.Size of something that is no list".into()),
        },
        ("torch._tensor", "_rebuild_from_type_v2") => {
            // (function, type, its arguments, state): a tensor of a subclass, or with attributes.
            let [function, _, args, _] = items[..] else {
                return Err("_rebuild_from_type_v2 of other arguments than four".into());
            };
            match table.global(function) {
                Some(("torch._tensor", "_rebuild_from_type_v2")) | None => Err("a tensor of a tensor".into()),
                Some(_) => call(table, function, args),
            }
        }
        ("torch._utils", name) if name.starts_with("_rebuild") => {
            let name = name.to_owned();
            rebuild(table, &name, &items)
        }
        _ => object(table, callee, args),
    }
}

/// An object without life.
pub(super) fn object(table: &mut Table, class: Id, args: Id) -> Result<Id, String> {
    // A call of what a call made has no name that would tell anything: dill writes one or two within each other, not thousands.
    const DEEP: usize = 64;
    let (mut inner, mut depth) = (class, 0);
    loop {
        match table.node(inner) {
            Node::Global(_) => break,
            Node::Object(object) if depth < DEEP => (inner, depth) = (object.class, depth + 1),
            Node::Object(_) => return Err("calls of what calls made, over and over".into()),
            _ => return Err("a call of something that is no class or function".into()),
        }
    }
    table.add(Node::Object(Box::new(ObjectNode {
        class,
        args,
        state: None,
        items: Vec::new(),
        entries: Vec::new(),
    })))
}

/// `OrderedDict(pairs)`, as Python 2 writes it.
fn ordered_dict(table: &mut Table, items: &[Id]) -> Result<Id, String> {
    let wrong = || "an OrderedDict of something that is no list of pairs".to_owned();
    let (Node::List(pairs), 1) = (table.node(items[0]), items.len()) else {
        return Err(wrong());
    };
    let mut flat = Vec::with_capacity(2 * pairs.len());
    for &pair in pairs {
        match table.node(pair) {
            Node::List(pair) if pair.len() == 2 => flat.extend_from_slice(pair),
            Node::Tuple(pair) if pair.len() == 2 => flat.extend_from_slice(pair),
            _ => return Err(wrong()),
        }
    }
    let entries = self::pairs(table, &flat)?;
    table.add(Node::Dict(entries))
}

/// Tensors: `torch/_utils.py`.
fn rebuild(table: &mut Table, name: &str, args: &[Id]) -> Result<Id, String> {
    match name {
        "_rebuild_parameter" | "_rebuild_parameter_with_state" => match args.first() {
            Some(&data) if matches!(table.node(data), Node::Tensor(_)) => Ok(data),
            _ => Err("a parameter of something that is no tensor".into()),
        },
        "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3" => {
            let tensor = tensor(table, name, args)?;
            table.add(Node::Tensor(Box::new(tensor)))
        }
        other => {
            let what = match other {
                "_rebuild_qtensor" => "a quantised tensor",
                other if other.contains("sparse") => "a sparse tensor",
                other if other.contains("meta") => "a tensor without values",
                other if other.contains("nested") => "a nested tensor",
                _ => "a tensor of a kind",
            };
            Err(format!(
                "{what} (`torch._utils.{other}`), which is not read: save a dense one of floats"
            ))
        }
    }
}

fn tensor(table: &Table, name: &str, args: &[Id]) -> Result<TensorNode, String> {
    let [storage, offset, shape, strides, ..] = args[..] else {
        return Err(format!("{name} of {} arguments, expected four at least", args.len()));
    };
    let Node::Storage(of) = table.node(storage) else {
        return Err("a tensor of something that is no storage".into());
    };
    let size = |id: Id, what: &str| match table.node(id) {
        Node::Int(size) => usize::try_from(*size).map_err(|_| format!("a tensor whose {what} is {size}")),
        Node::Big(size) => Err(format!("a tensor whose {what} is {}…", &size[..size.len().min(20)])),
        _ => Err(format!("a tensor whose {what} is no number")),
    };
    let sizes = |id: Id, what: &str| match table.node(id) {
        Node::Tuple(sizes) => sizes.iter().map(|&id| size(id, what)).collect::<Result<Vec<_>, _>>(),
        Node::List(sizes) => sizes.iter().map(|&id| size(id, what)).collect(),
        _ => Err(format!("a tensor whose {what} is no tuple")),
    };
    let (shape, strides) = (sizes(shape, "shape")?, sizes(strides, "stride")?);
    if shape.len() != strides.len() {
        return Err(format!(
            "a tensor of {} sizes and {} strides",
            shape.len(),
            strides.len()
        ));
    }
    const DIMENSIONS: usize = 64;
    if shape.len() > DIMENSIONS {
        return Err(format!(
            "a tensor of {} dimensions, expected at most {DIMENSIONS}",
            shape.len()
        ));
    }
    let told = match (name, args.get(6)) {
        ("_rebuild_tensor_v3", Some(&dtype)) => match table.global(dtype) {
            Some(("torch", name)) => {
                Some(Dtype::of_torch(name).ok_or(format!("a tensor of torch.{name}, which is not read"))?)
            }
            _ => return Err("a tensor whose dtype is none".into()),
        },
        _ => None,
    };
    let dtype = told.or(of.dtype).ok_or("a tensor of bytes without a dtype")?;
    Ok(TensorNode {
        storage,
        dtype,
        offset: size(offset, "offset")?,
        shape,
        strides,
    })
}

/// What torch's persistent id stands for: a storage; or a class whose source code stood beside it, `("module", class, file, source)`, which is
/// the class.
pub(super) fn outside(table: &mut Table, id: Id) -> Result<Id, String> {
    if let Node::Tuple(parts) = table.node(id)
        && let [kind, class, ..] = parts[..]
        && table.str(kind) == Some("module")
    {
        return Ok(class);
    }
    let storage = storage(table, id)?;
    table.add(Node::Storage(Box::new(storage)))
}

/// `("storage", class, key, location, number of elements)`, and in old files a view.
fn storage(table: &Table, id: Id) -> Result<StorageNode, String> {
    let Node::Tuple(parts) = table.node(id) else {
        return Err("it names something outside of itself that is no storage".into());
    };
    let [kind, class, key, _, numel, ref view @ ..] = parts[..] else {
        return Err("a storage of too few parts".into());
    };
    if table.str(kind) != Some("storage") {
        return Err("it names something outside of itself that is no storage".into());
    }
    let dtype = match table.global(class) {
        Some(("torch" | "torch.storage" | "torch.cuda", name)) => match name.strip_suffix("Storage") {
            Some("Untyped" | "_Untyped") => None,
            Some(of) => {
                Some(Dtype::of_storage(of).ok_or(format!("a {name}, which is not read: save a tensor of floats"))?)
            }
            None => return Err(format!("a storage of class torch.{name}")),
        },
        Some((module, name)) => return Err(format!("a storage of class {module}.{name}")),
        None => return Err("a storage without a class".into()),
    };
    let key = table.str(key).ok_or("a storage whose key is no string")?.to_owned();
    let Node::Int(numel) = *table.node(numel) else {
        return Err("a storage whose length is no number".into());
    };
    let numel = u64::try_from(numel).map_err(|_| format!("a storage of {numel} elements"))?;
    if view.iter().any(|&view| !matches!(table.node(view), Node::None)) {
        return Err(
            "a storage that is part of another, as torch 0.3 wrote them: load and save it again in PyTorch".into(),
        );
    }
    Ok(StorageNode { key, dtype, numel })
}

/// Sets an object's state, as `BUILD` does.
pub(super) fn build(table: &mut Table, object: Id, state: Id) -> Result<(), String> {
    match table.node_mut(object) {
        Node::Object(object) => {
            object.state = Some(state);
            Ok(())
        }
        // Attributes of a dictionary, as the `_metadata` of a state dict: nothing that is asked for.
        Node::Dict(_) | Node::Set(_) | Node::List(_) => Ok(()),
        Node::Tensor(_) => Err("a state for a tensor".into()),
        _ => Err("a state for a value that has none".into()),
    }
}

pub(super) fn append(table: &mut Table, list: Id, items: &[Id]) -> Result<(), String> {
    match table.node_mut(list) {
        Node::List(list) => list.extend_from_slice(items),
        Node::Object(object) => object.items.extend_from_slice(items),
        _ => return Err("it appends to something that is no list".into()),
    }
    Ok(())
}

pub(super) fn add_items(table: &mut Table, set: Id, items: &[Id]) -> Result<(), String> {
    match table.node_mut(set) {
        Node::Set(set) => set.extend_from_slice(items),
        Node::Object(object) => object.items.extend_from_slice(items),
        _ => return Err("it adds to something that is no set".into()),
    }
    Ok(())
}

pub(super) fn set_items(table: &mut Table, dict: Id, items: &[Id]) -> Result<(), String> {
    let new = pairs(table, items)?;
    match table.node_mut(dict) {
        Node::Dict(entries) => entries.extend(new),
        Node::Object(object) => object.entries.extend(new),
        _ => return Err("it sets a key of something that is no dictionary".into()),
    }
    Ok(())
}

/// Keys and values by turns, as pairs.
pub(super) fn pairs(table: &Table, items: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = items.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a key without a value".into());
    }
    let mutable = |&[key, _]: &[Id; 2]| matches!(table.node(key), Node::List(_) | Node::Dict(_) | Node::Set(_));
    if pairs.iter().any(mutable) {
        return Err("a key that is a list, a dictionary or a set".into());
    }
    Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
}

/// An integer in two's complement, least significant byte first; beyond 64 bits its digits.
pub(super) fn long(bytes: &[u8]) -> Result<i64, String> {
    let negative = bytes.last().is_some_and(|&b| b >= 0x80);
    let fill = if negative { 0xff } else { 0 };
    // Bytes that only repeat the sign.
    let mut significant = bytes;
    while let [rest @ .., before, last] = significant
        && *last == fill
        && (*before >= 0x80) == negative
    {
        significant = &significant[..rest.len() + 1];
    }
    if significant.len() <= 8 {
        let mut value = [fill; 8];
        value[..significant.len()].copy_from_slice(significant);
        return Ok(i64::from_le_bytes(value));
    }
    let mut magnitude: Vec<u8> = significant.to_vec();
    if negative {
        let mut carry = true;
        for byte in &mut magnitude {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let sign = if negative { "-" } else { "" };
    // Decimal digits take quadratic time.
    const DECIMAL: usize = 64;
    if magnitude.len() > DECIMAL {
        return Err(format!("{sign}0x… of {} bytes", magnitude.len()));
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|&b| b != 0) {
        let mut rest = 0u32;
        for byte in magnitude.iter_mut().rev() {
            let value = (rest << 8) | u32::from(*byte);
            (*byte, rest) = ((value / 10) as u8, value % 10);
        }
        digits.push(char::from(b'0' + rest as u8));
    }
    Err(sign.chars().chain(digits.into_iter().rev()).collect())
}

/// A string of protocol 0: in quotes, with escapes.
pub(super) fn unquoted(line: &[u8]) -> Result<Vec<u8>, String> {
    let line = line.trim_ascii();
    let quoted = match line {
        [b'\'', inner @ .., b'\''] | [b'"', inner @ .., b'"'] => inner,
        _ => return Err("a string without quotes".into()),
    };
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let [kind, after @ ..] = rest else {
            return Err("a string that ends in an escape".into());
        };
        rest = after;
        bytes.push(match kind {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'\'' | b'"' => *kind,
            b'x' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                rest = &rest[rest.len().min(2)..];
                byte.ok_or("a string with a broken escape")?
            }
            _ => return Err("a string with an unknown escape".into()),
        });
    }
    Ok(bytes)
}

/// Text of protocol 0: Latin-1, with `\u` and `\U`.
pub(super) fn raw_unicode(line: &[u8]) -> Result<String, String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let [first, after @ ..] = rest {
        let digits = match rest {
            [b'\\', b'u', ..] => 4,
            [b'\\', b'U', ..] => 8,
            _ => {
                text.push(char::from(*first));
                rest = after;
                continue;
            }
        };
        let code = rest
            .get(2..2 + digits)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        text.push(code.and_then(char::from_u32).ok_or("a string with a broken escape")?);
        rest = &rest[2 + digits..];
    }
    Ok(text)
}
