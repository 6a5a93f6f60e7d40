//! Datasets by the names that D4RL and Minari give them, downloaded to where those projects look for them.
//!
//! | | names | from | to |
//! | --- | --- | --- | --- |
//! | D4RL | `d4rl.txt`: 179, of its own `infos.py` and registrations | its server | `$D4RL_DATASET_DIR`, or `~/.d4rl/datasets` |
//! | Minari | `minari.txt`, and any other `namespace/name-vN` | repositories `datasets/farama-minari/NAMESPACE` on the Hub, and the bucket that they were in before | `$MINARI_DATASETS_PATH`, or `~/.minari/datasets` |
//!
//! A file comes as `FILE.part`, with `FILE.part.json` that says of which address and state it is: a download that broke off goes on where it
//! stopped, if the server still has the same file (`If-Range`), and begins again otherwise. What came is compared with its length, with the
//! Hub's checksum or the caller's, and looked at by the caller; then it gets its name, and `FILE.sha256` beside it (as `sha256sum` writes it),
//! with which it is compared whenever it is asked for again.

mod checksum;
mod download;
mod mirror;
mod names;
mod places;
mod transfer;

pub use checksum::Stored;
pub use download::{Datasets, Downloaded, Options};
pub use mirror::Mirror;
pub use names::{Family, Known};
pub use places::{Located, Places, locate, minari_id};
