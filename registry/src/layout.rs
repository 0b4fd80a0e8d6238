//! What the folders and files of a kind of package are called, on a shelf and in the registry API alike.

use belfry_mesh::package::Kind;

/// All kinds, in the order in which they are listed.
pub(crate) const KINDS: [Kind; 2] = [Kind::Trigger, Kind::Mcp];

/// The folder of a shelf and the path of the API where packages of this kind are.
pub(crate) fn folder(kind: Kind) -> &'static str {
    match kind {
        Kind::Trigger => "triggers",
        Kind::Mcp => "mcps",
    }
}

/// What the manifest is called in a folder that is a package's own.
pub(crate) fn manifest(kind: Kind) -> &'static str {
    match kind {
        Kind::Trigger => "trigger.json",
        Kind::Mcp => "mcp.json",
    }
}

/// Why what says that it is of the first kind is not taken for one of the second.
pub(crate) fn misplaced(found: Kind, place: Kind) -> String {
    format!(
        "its `type` is `{}`, and it lies among the {}; its place is `{}`",
        found.as_str(),
        folder(place),
        folder(found)
    )
}
