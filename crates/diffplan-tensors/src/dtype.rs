//! [`Dtype`]: the types of tensors' elements.

use std::fmt;

macro_rules! dtypes {
    ($($variant:ident $bytes:literal $torch:literal $storage:literal,)+) => {
        /// The type of a tensor's elements.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[allow(missing_docs)] // the name says it all
        pub enum Dtype {
            $($variant,)+
        }

        impl Dtype {
            /// Bytes of an element.
            pub fn size(self) -> usize {
                match self { $(Self::$variant => $bytes,)+ }
            }

            /// Its name in torch.
            pub fn torch_name(self) -> &'static str {
                match self { $(Self::$variant => $torch,)+ }
            }

            /// The type that torch has under this name.
            pub(crate) fn of_torch(name: &str) -> Option<Self> {
                match name { $($torch => Some(Self::$variant),)+ _ => None }
            }

            /// The name that torch's storage class has, less "Storage".
            pub(crate) fn storage_name(self) -> &'static str {
                match self { $(Self::$variant => $storage,)+ }
            }

            /// The type of torch's storage class of this name, less "Storage".
            pub(crate) fn of_storage(name: &str) -> Option<Self> {
                match name { $($storage => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

dtypes! {
    F64 8 "float64" "Double",
    F32 4 "float32" "Float",
    F16 2 "float16" "Half",
    BF16 2 "bfloat16" "BFloat16",
    F8E4M3 1 "float8_e4m3fn" "Float8_e4m3fn",
    F8E5M2 1 "float8_e5m2" "Float8_e5m2",
    I64 8 "int64" "Long",
    I32 4 "int32" "Int",
    I16 2 "int16" "Short",
    I8 1 "int8" "Char",
    U64 8 "uint64" "UInt64",
    U32 4 "uint32" "UInt32",
    U16 2 "uint16" "UInt16",
    U8 1 "uint8" "Byte",
    Bool 1 "bool" "Bool",
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.torch_name())
    }
}
