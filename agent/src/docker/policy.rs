//! What the operator of a node lets packages have.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// What the operator of a node lets packages have beyond a process of their own on one network. By default, nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Networks that a package may join besides the agent's own. `host` is the node's: whoever is on it reaches all that the
    /// node reaches.
    pub networks: BTreeSet<String>,
    /// Capabilities that a package may be given, without `CAP_`, in capitals.
    pub capabilities: BTreeSet<String>,
    /// Directories of the node out of which a package may mount. Named volumes need no leave.
    pub mounts: Vec<PathBuf>,
    /// Directories and URLs below which a package's image may be built.
    pub builds: Vec<String>,
    /// The most memory of a container, in bytes. Default 1 GiB.
    pub max_memory: u64,
    /// The most processors of a container. Default 2.
    pub max_cpus: f64,
    /// The most processes and threads of a container. Default 512.
    pub max_pids: u32,
    /// The node's address on which ports of packages are published. Default 127.0.0.1.
    pub publish: IpAddr,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            networks: BTreeSet::new(),
            capabilities: BTreeSet::new(),
            mounts: Vec::new(),
            builds: Vec::new(),
            max_memory: 1 << 30,
            max_cpus: 2.0,
            max_pids: 512,
            publish: Ipv4Addr::LOCALHOST.into(),
        }
    }
}
