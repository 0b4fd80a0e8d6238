//! Where packages lie on a shelf, in both layouts.

use super::{Invalid, Package};
use crate::layout;
use crate::shelf::{Error, Shelf};
use belfry_mesh::package::{Kind, MAX_SIZE, Manifest, PackageName};
use belfry_mesh::port::packages::Reference;
use bytes::Bytes;
use semver::Version;
use serde_json::value::RawValue;

/// Where a package lies.
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) name: PackageName,
    pub(super) version: Version,
    /// Its manifest.
    pub(super) file: String,
    /// The folder that is its own, if it has one.
    folder: Option<String>,
}

impl Place {
    /// Where its signature is, if it has one.
    pub(super) fn signature(&self) -> Option<String> {
        let folder = self.folder.as_ref()?;
        Some(format!("{folder}/{}.asc", layout::manifest(self.kind)))
    }

    pub(super) fn load(self, shelf: &Shelf, stray: &mut Vec<Invalid>) -> Result<Package, Invalid> {
        let (manifest, bytes) = match self.manifest(shelf) {
            Ok(read) => read,
            Err(reason) => return Err(Invalid::new(self.file, reason)),
        };
        let metadata = self.metadata(shelf).unwrap_or_else(|invalid| {
            stray.push(invalid);
            None
        });
        Ok(Package {
            manifest,
            bytes,
            origin: shelf.origin(),
            signed: self.signature().is_some_and(|path| shelf.has(&path)),
            metadata,
        })
    }

    fn manifest(&self, shelf: &Shelf) -> Result<(Manifest, Bytes), String> {
        let bytes = shelf.read(&self.file, MAX_SIZE);
        let bytes = bytes.map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or("it is not there; is it a link that leads nowhere?")?;
        let manifest = Manifest::parse(&bytes).map_err(|error| error.to_string())?;
        if manifest.kind() != self.kind {
            return Err(layout::misplaced(manifest.kind(), self.kind));
        }
        let (name, version) = (manifest.name(), manifest.version());
        if (name, version) == (&self.name, &self.version) {
            return Ok((manifest, bytes));
        }
        Err(format!(
            "it holds {version} of `{name}`, and lies where {} of `{}` belongs",
            self.version, self.name
        ))
    }

    fn metadata(&self, shelf: &Shelf) -> Result<Option<Box<RawValue>>, Invalid> {
        let Some(folder) = &self.folder else {
            return Ok(None);
        };
        let file = format!("{folder}/metadata.json");
        match shelf.read(&file, MAX_SIZE) {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| Invalid::new(file, format!("it is not JSON: {error}"))),
            Ok(None) => Ok(None),
            Err(error) => Err(Invalid::new(file, error)),
        }
    }
}

/// Where the packages of a kind lie on a shelf, all or those of one name, the ones in folders of their own first; and what can
/// be none.
pub(super) fn places(
    shelf: &Shelf,
    kind: Kind,
    only: Option<&PackageName>,
) -> Result<(Vec<Place>, Vec<Invalid>), Error> {
    let is_wanted = |name: &PackageName| only.is_none_or(|only| only == name);
    let (mut nested, mut flat, mut stray) = (Vec::new(), Vec::new(), Vec::new());
    let root = layout::folder(kind);
    for entry in shelf.names(root)?.unwrap_or_default() {
        let path = format!("{root}/{entry}");
        let Some(stem) = entry.strip_suffix(".json") else {
            let name = PackageName::parse(&entry).ok();
            if name.as_ref().map_or(only.is_none(), is_wanted) {
                folders(shelf, kind, &path, name.as_ref(), &mut nested, &mut stray);
            }
            continue;
        };
        match file(kind, stem, path) {
            Ok(place) if is_wanted(&place.name) => flat.push(place),
            Err(invalid) if only.is_none() => stray.push(invalid),
            Ok(_) | Err(_) => {}
        }
    }
    nested.append(&mut flat);
    Ok((nested, stray))
}

/// The package in a file of this name.
fn file(kind: Kind, stem: &str, path: String) -> Result<Place, Invalid> {
    match Reference::parse(stem) {
        Ok(Reference {
            name,
            version: Some(version),
        }) => Ok(Place {
            kind,
            name,
            version,
            file: path,
            folder: None,
        }),
        _ => Err(Invalid::new(
            path,
            "its name is not `{name}-{version}.json`",
        )),
    }
}

/// The packages in a folder of this name, each in a folder of its version.
fn folders(
    shelf: &Shelf,
    kind: Kind,
    path: &str,
    name: Option<&PackageName>,
    places: &mut Vec<Place>,
    stray: &mut Vec<Invalid>,
) {
    let versions = match shelf.names(path) {
        Ok(versions) => versions.unwrap_or_default(),
        Err(error) => return stray.push(Invalid::new(path, error)),
    };
    let manifest = layout::manifest(kind);
    for version in versions {
        let folder = format!("{path}/{version}");
        let file = format!("{folder}/{manifest}");
        match (name, Version::parse(&version), shelf.has(&file)) {
            (Some(name), Ok(version), true) => places.push(Place {
                kind,
                name: name.clone(),
                version,
                file,
                folder: Some(folder),
            }),
            (Some(_), Ok(_), false) => {
                let reason = format!("there is no `{manifest}` in it");
                stray.push(Invalid::new(folder, reason));
            }
            (Some(_), Err(_), true) => {
                let reason = "its name is not a semantic version such as `1.0.0`";
                stray.push(Invalid::new(folder, reason));
            }
            (None, _, true) => {
                let reason = format!("`{path}` does not have the name of a package");
                stray.push(Invalid::new(folder, reason));
            }
            // Documents and other things that somebody keeps beside the packages.
            (_, _, false) => {}
        }
    }
}
