//! The pickle machine: opcodes of protocols 0 to 5, as `Lib/pickletools.py` of CPython describes them.

use super::ops::{self, build, call};
use super::table::{Id, Node, Table};
use std::collections::HashMap;

/// What a run of the machine left.
pub(crate) struct Run {
    pub(crate) table: Table,
    pub(crate) root: Id,
    /// How many bytes the pickle took.
    pub(crate) len: usize,
}

/// Reads one pickle from the beginning of `bytes`. Persistent ids are torch's storages, or an error.
pub(crate) fn run(bytes: &[u8], torch: bool) -> Result<Run, String> {
    let mut machine = Machine {
        input: Input { bytes, at: 0 },
        table: Table::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        torch,
    };
    loop {
        let place = machine.input.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => {
                machine.table.settle();
                return Ok(Run {
                    table: machine.table,
                    root,
                    len: machine.input.at,
                });
            }
            Err(what) => return Err(format!("the pickle in it is broken at byte {place}: {what}")),
        }
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: u64) -> Result<&'a [u8], String> {
        let left = self.bytes.len() - self.at;
        if len > left as u64 {
            return Err(format!("{len} bytes are to follow, {left} are left"));
        }
        let taken = &self.bytes[self.at..][..len as usize];
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length that Python writes as signed.
    fn signed_len(&mut self) -> Result<u64, String> {
        let len = i32::from_le_bytes(self.array()?);
        u64::try_from(len).map_err(|_| format!("a length of {len}"))
    }

    fn line(&mut self) -> Result<&'a [u8], String> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&b| b == b'\n');
        let end = end.ok_or("a line without an end")?;
        self.at += end + 1;
        let line = &rest[..end];
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn text_line(&mut self) -> Result<&'a str, String> {
        text(self.line()?)
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "a string that is no UTF-8".to_owned())
}

struct Machine<'a> {
    input: Input<'a>,
    table: Table,
    stack: Vec<Id>,
    /// Where on the stack a mark is.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    torch: bool,
}

impl Machine<'_> {
    /// The least that belongs to what stands behind the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err("it takes a value from an empty stack".into());
        }
        self.stack.pop().ok_or_else(|| "an empty stack".into())
    }

    fn top(&self) -> Result<Id, String> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.floor());
        top.copied()
            .ok_or_else(|| "it takes a value from an empty stack".into())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn push(&mut self, node: Node) -> Result<(), String> {
        let id = self.table.add(node)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_int(&mut self, value: i64) -> Result<(), String> {
        let id = self.table.int(value)?;
        self.stack.push(id);
        Ok(())
    }

    fn push_str(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.push(Node::Str(text(bytes)?.into()))
    }

    /// A string of Python 2, which has no encoding.
    fn push_old_string(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.push(match std::str::from_utf8(bytes) {
            Ok(text) => Node::Str(text.into()),
            Err(_) => Node::Bytes(bytes.into()),
        })
    }

    fn push_global(&mut self, module: &str, name: &str) -> Result<(), String> {
        self.push(Node::Global(Box::new((module.to_owned(), name.to_owned()))))
    }

    fn push_tuple(&mut self, count: usize) -> Result<(), String> {
        let start = self
            .stack
            .len()
            .checked_sub(count)
            .filter(|&start| start >= self.floor());
        let start = start.ok_or("a tuple of more values than there are")?;
        let items = self.stack.split_off(start).into_boxed_slice();
        self.push(Node::Tuple(items))
    }

    fn get(&mut self, index: u64) -> Result<(), String> {
        let id = self.memo.get(&index).ok_or(format!("number {index} was never noted"))?;
        self.stack.push(*id);
        Ok(())
    }

    fn put(&mut self, index: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn push_call(&mut self, callee: Id, args: Id) -> Result<(), String> {
        let made = call(&mut self.table, callee, args)?;
        self.stack.push(made);
        Ok(())
    }

    fn call_to_mark(&mut self, callee: Id, args: Vec<Id>) -> Result<(), String> {
        let args = self.table.add(Node::Tuple(args.into()))?;
        self.push_call(callee, args)
    }

    /// One opcode; the value, if that was the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        let op = self.input.byte().map_err(|_| "it has no end")?;
        match op {
            0x80 => {
                let protocol = self.input.byte()?;
                if protocol > 5 {
                    return Err(format!("protocol {protocol}, expected 0 to 5"));
                }
            }
            0x95 => {
                let len = self.input.u64()?;
                let left = (self.input.bytes.len() - self.input.at) as u64;
                if len > left {
                    return Err(format!("a frame of {len} bytes, {left} are left"));
                }
            }
            b'.' => {
                let root = self.pop()?;
                return match self.marks.is_empty() {
                    true => Ok(Some(root)),
                    false => Err("it ends within a mark".into()),
                };
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => match self.stack.len() > self.floor() {
                true => drop(self.stack.pop()),
                false => drop(self.marks.pop().ok_or("it takes a value from an empty stack")?),
            },
            b'1' => drop(self.pop_to_mark()?),
            b'2' => self.stack.push(self.top()?),
            b'N' => self.stack.push(Table::NONE),
            0x88 => self.stack.push(Table::TRUE),
            0x89 => self.stack.push(Table::FALSE),
            b'I' => match self.input.line()? {
                b"00" => self.stack.push(Table::FALSE),
                b"01" => self.stack.push(Table::TRUE),
                line => self.text_int(line)?,
            },
            b'L' => {
                let line = self.input.line()?;
                self.text_int(line.strip_suffix(b"L").unwrap_or(line))?;
            }
            b'J' => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.push_int(value.into())?;
            }
            b'K' => {
                let value = self.input.byte()?;
                self.push_int(value.into())?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.input.array()?);
                self.push_int(value.into())?;
            }
            0x8a => {
                let len = self.input.byte()?;
                self.long(len.into())?;
            }
            0x8b => {
                let len = self.input.signed_len()?;
                self.long(len)?;
            }
            b'F' => {
                let line = self.input.text_line()?;
                let value = line.trim().parse().map_err(|_| "a number that is none")?;
                self.push(Node::Float(value))?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.input.array()?);
                self.push(Node::Float(value))?;
            }
            _ => return self.step_rest(op),
        }
        Ok(None)
    }

    /// Strings, containers, names and calls.
    fn step_rest(&mut self, op: u8) -> Result<Option<Id>, String> {
        match op {
            b'S' => {
                let string = ops::unquoted(self.input.line()?)?;
                self.push_old_string(&string)?;
            }
            b'T' => {
                let len = self.input.signed_len()?;
                let bytes = self.input.take(len)?;
                self.push_old_string(bytes)?;
            }
            b'U' => {
                let len = self.input.byte()?;
                let bytes = self.input.take(len.into())?;
                self.push_old_string(bytes)?;
            }
            b'V' => {
                let text = ops::raw_unicode(self.input.line()?)?;
                self.push(Node::Str(text.into()))?;
            }
            b'X' | 0x8c | 0x8d => {
                let len = self.length(op, [0x8c, b'X', 0x8d])?;
                let bytes = self.input.take(len)?;
                self.push_str(bytes)?;
            }
            b'C' | b'B' | 0x8e | 0x96 => {
                let len = if op == 0x96 {
                    self.input.u64()?
                } else {
                    self.length(op, [b'C', b'B', 0x8e])?
                };
                let bytes = self.input.take(len)?;
                self.push(Node::Bytes(bytes.into()))?;
            }
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            0x8f => self.push(Node::Set(Vec::new()))?,
            b')' => self.stack.push(Table::EMPTY_TUPLE),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items.into()))?;
            }
            0x85..=0x87 => self.push_tuple(usize::from(op - 0x84))?,
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Node::List(items))?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                let entries = ops::pairs(&self.table, &items)?;
                self.push(Node::Dict(entries))?;
            }
            0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Node::Set(items))?;
            }
            b'a' => {
                let item = self.pop()?;
                let list = self.top()?;
                ops::append(&mut self.table, list, &[item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                let list = self.top()?;
                ops::append(&mut self.table, list, &items)?;
            }
            0x90 => {
                let items = self.pop_to_mark()?;
                let set = self.top()?;
                ops::add_items(&mut self.table, set, &items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                let dict = self.top()?;
                ops::set_items(&mut self.table, dict, &[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                let dict = self.top()?;
                ops::set_items(&mut self.table, dict, &items)?;
            }
            b'g' => {
                let index = self.index_line()?;
                self.get(index)?;
            }
            b'h' => {
                let index = self.input.byte()?;
                self.get(index.into())?;
            }
            b'j' => {
                let index = self.input.u32()?;
                self.get(index.into())?;
            }
            b'p' => {
                let index = self.index_line()?;
                self.put(index)?;
            }
            b'q' => {
                let index = self.input.byte()?;
                self.put(index.into())?;
            }
            b'r' => {
                let index = self.input.u32()?;
                self.put(index.into())?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            b'c' => {
                let module = self.input.text_line()?;
                let name = self.input.text_line()?;
                self.push_global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let names = self.table.str(module).zip(self.table.str(name));
                let (module, name) = names.ok_or("a name that is no string")?;
                let (module, name) = (module.to_owned(), name.to_owned());
                self.push_global(&module, &name)?;
            }
            b'R' | 0x81 => {
                let args = self.pop()?;
                let callee = self.pop()?;
                self.push_call(callee, args)?;
            }
            0x92 => {
                let keywords = self.pop()?;
                let args = self.pop()?;
                let callee = self.pop()?;
                if !matches!(self.table.node(keywords), Node::Dict(_)) {
                    return Err("keyword arguments that are no dictionary".into());
                }
                let args = self.table.add(Node::Tuple([args, keywords].into()))?;
                let made = ops::object(&mut self.table, callee, args)?;
                self.stack.push(made);
            }
            b'i' => {
                let module = self.input.text_line()?;
                let name = self.input.text_line()?;
                let args = self.pop_to_mark()?;
                let callee = self
                    .table
                    .add(Node::Global(Box::new((module.to_owned(), name.to_owned()))))?;
                self.call_to_mark(callee, args)?;
            }
            b'o' => {
                let mut items = self.pop_to_mark()?.into_iter();
                let callee = items.next().ok_or("a call of nothing")?;
                self.call_to_mark(callee, items.collect())?;
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                build(&mut self.table, object, state)?;
            }
            b'Q' => {
                let id = self.pop()?;
                if !self.torch {
                    return Err("it names something outside of itself: it is part of another file".into());
                }
                let outside = ops::outside(&mut self.table, id)?;
                self.stack.push(outside);
            }
            b'P' => return Err("it names something outside of itself, by a name that is none of torch's".into()),
            0x82..=0x84 => return Err("a registered extension, which is known to the writing program alone".into()),
            0x97 | 0x98 => return Err("a buffer outside of the pickle".into()),
            other => return Err(format!("opcode 0x{other:02x}, which there is not")),
        }
        Ok(None)
    }

    /// A length of one, four or eight bytes, as the opcode says.
    fn length(&mut self, op: u8, [short, long, _]: [u8; 3]) -> Result<u64, String> {
        Ok(if op == short {
            self.input.byte()?.into()
        } else if op == long {
            self.input.u32()?.into()
        } else {
            self.input.u64()?
        })
    }

    fn index_line(&mut self) -> Result<u64, String> {
        let line = self.input.text_line()?;
        line.trim()
            .parse()
            .map_err(|_| format!("{line:?} is no number of a note"))
    }

    fn text_int(&mut self, line: &[u8]) -> Result<(), String> {
        let line = text(line)?.trim();
        let digits = line.strip_prefix(['-', '+']).unwrap_or(line);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("a number that is none".into());
        }
        match line.parse() {
            Ok(value) => self.push_int(value),
            Err(_) => self.push(Node::Big(line.into())),
        }
    }

    /// An integer of so many bytes, least significant first, in two's complement.
    fn long(&mut self, len: u64) -> Result<(), String> {
        let bytes = self.input.take(len)?;
        match ops::long(bytes) {
            Ok(value) => self.push_int(value),
            Err(big) => self.push(Node::Big(big.into())),
        }
    }
}
