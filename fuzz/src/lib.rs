//! What the fuzz targets share: deliveries as a provider sends them, edits of those, and a second opinion on whether they are genuine
//! that has nothing in common with the verifier but the table of `mesh::signature`'s documents.

pub mod delivery;
pub mod edit;
pub mod opinion;
pub mod provider;

pub use delivery::Post;
pub use edit::Edit;
pub use provider::Provider;
