//! What a registry has: the packages on its shelves, in both layouts, and the files that are none.

mod place;

use crate::layout::KINDS;
use crate::listing::newest;
use crate::shelf::{self, Origin, Shelf};
use belfry_mesh::package::{Kind, Manifest, PackageName};
use bytes::Bytes;
use place::places;
use semver::Version;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// The largest signature or public key that is served, in bytes.
const MAX_ARMOUR: usize = 256 * 1024;

/// The packages on some shelves. A version on an earlier shelf hides the same version on a later one, even if it is broken:
/// nothing else is served in the place of what somebody put there.
#[derive(Debug)]
pub(crate) struct Catalog {
    shelves: Vec<Shelf>,
    /// What was logged, so that it is logged once.
    known: Mutex<HashSet<Invalid>>,
}

/// A package that can be installed.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) manifest: Manifest,
    /// As they lie there, since signatures are over bytes.
    pub(crate) bytes: Bytes,
    pub(crate) origin: Origin,
    pub(crate) signed: bool,
    /// What the publisher's tools wrote beside it, of no meaning to Belfry.
    pub(crate) metadata: Option<Box<RawValue>>,
}

/// A file that lies where packages lie and is not served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct Invalid {
    /// The file or the folder.
    pub(crate) file: String,
    /// Why it is not served.
    pub(crate) reason: String,
}

/// What was found on all shelves.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    packages: BTreeMap<(Kind, PackageName), BTreeMap<Version, Result<Package, Invalid>>>,
    /// Files of which not even name and version are known, or that stand behind another.
    stray: Vec<Invalid>,
}

/// Somebody who publishes packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Publisher {
    pub(crate) id: String,
    pub(crate) has_pubkey: bool,
}

impl Catalog {
    pub(crate) fn new(shelves: Vec<Shelf>) -> Self {
        Self {
            shelves,
            known: Mutex::default(),
        }
    }

    /// Everything.
    pub(crate) fn read(&self) -> Result<Contents, shelf::Error> {
        let mut contents = Contents::default();
        for kind in KINDS {
            self.collect(kind, None, None, &mut contents)?;
        }
        self.log(&contents, true);
        Ok(contents)
    }

    /// The package of this kind in this version, or in its newest valid one. None if it is not there, and why if it is there but
    /// cannot be served.
    pub(crate) fn find(
        &self,
        kind: Kind,
        name: &PackageName,
        version: Option<&Version>,
    ) -> Result<Option<Result<Package, Invalid>>, shelf::Error> {
        let mut contents = Contents::default();
        self.collect(kind, Some(name), version, &mut contents)?;
        self.log(&contents, false);
        let Some((_, mut versions)) = contents.packages.pop_first() else {
            return Ok(None);
        };
        let valid = versions
            .iter()
            .filter(|(_, package)| package.is_ok())
            .map(|(version, _)| version);
        let chosen = newest(valid).or(versions.keys().next_back()).cloned();
        Ok(chosen.and_then(|version| versions.remove(&version)))
    }

    /// The detached signature of a package that lies in a folder of its own.
    pub(crate) fn signature(
        &self,
        kind: Kind,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<Result<Bytes, Invalid>>, shelf::Error> {
        for shelf in &self.shelves {
            let (places, _) = places(shelf, kind, Some(name))?;
            if let Some(place) = places.into_iter().find(|place| place.version == *version) {
                return Ok(place.signature().and_then(|file| armour(shelf, file)));
            }
        }
        Ok(None)
    }

    /// Who publishes here, by id.
    pub(crate) fn publishers(&self) -> Result<Vec<Publisher>, shelf::Error> {
        let mut publishers = BTreeMap::new();
        for shelf in &self.shelves {
            for id in shelf.names("publishers")?.unwrap_or_default() {
                let Ok(Some(_)) = shelf.names(&format!("publishers/{id}")) else {
                    continue;
                };
                let has_pubkey = shelf.has(&pubkey(&id));
                let publisher = Publisher { id, has_pubkey };
                publishers.entry(publisher.id.clone()).or_insert(publisher);
            }
        }
        Ok(publishers.into_values().collect())
    }

    /// The armoured public key of a publisher.
    pub(crate) fn pubkey(&self, id: &str) -> Option<Result<Bytes, Invalid>> {
        // A part of a path that leads anywhere else than into the folder is nobody's id.
        let is_id = !id.is_empty() && !id.starts_with('.') && !id.contains(['/', '\\', '\0']);
        self.shelves
            .iter()
            .filter(|_| is_id)
            .find_map(|shelf| armour(shelf, pubkey(id)))
    }

    /// Whether the shelves can be read.
    pub(crate) fn check(&self) -> Result<(), shelf::Error> {
        self.shelves.iter().try_for_each(Shelf::check)
    }

    fn collect(
        &self,
        kind: Kind,
        name: Option<&PackageName>,
        version: Option<&Version>,
        contents: &mut Contents,
    ) -> Result<(), shelf::Error> {
        for shelf in &self.shelves {
            let (places, mut stray) = places(shelf, kind, name)?;
            contents.stray.append(&mut stray);
            let mut here = BTreeMap::new();
            for place in places {
                if version.is_some_and(|version| *version != place.version) {
                    continue;
                }
                let key = (place.name.clone(), place.version.clone());
                if let Some(first) = here.get(&key) {
                    let reason = format!("`{first}` is the same version, and the one served");
                    contents.stray.push(Invalid::new(place.file, reason));
                    continue;
                }
                here.insert(key, place.file.clone());
                let package = (kind, place.name.clone());
                let versions = contents.packages.entry(package).or_default();
                if let Entry::Vacant(slot) = versions.entry(place.version.clone()) {
                    slot.insert(place.load(shelf, &mut contents.stray));
                }
            }
        }
        Ok(())
    }

    fn log(&self, contents: &Contents, whole: bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let invalid: HashSet<&Invalid> = contents.invalid().collect();
        for new in invalid.iter().filter(|invalid| !known.contains(**invalid)) {
            tracing::warn!(
                file = new.file,
                reason = new.reason,
                "a file among the packages is not served"
            );
        }
        if whole {
            known.retain(|old| invalid.contains(old));
        }
        known.extend(invalid.into_iter().cloned());
    }
}

impl Invalid {
    fn new(file: impl Into<String>, reason: impl ToString) -> Self {
        Self {
            file: file.into(),
            reason: reason.to_string(),
        }
    }
}

impl Contents {
    /// What can be installed, by kind and name, newest first.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().flat_map(|versions| {
            versions
                .values()
                .rev()
                .filter_map(|package| package.as_ref().ok())
        })
    }

    /// What cannot, and why.
    pub(crate) fn invalid(&self) -> impl Iterator<Item = &Invalid> {
        let broken = self
            .packages
            .values()
            .flat_map(BTreeMap::values)
            .filter_map(|package| package.as_ref().err());
        broken.chain(&self.stray)
    }
}

fn armour(shelf: &Shelf, file: String) -> Option<Result<Bytes, Invalid>> {
    let bytes = shelf.read(&file, MAX_ARMOUR).transpose()?;
    Some(bytes.map_err(|error| Invalid::new(file, error)))
}

fn pubkey(publisher: &str) -> String {
    format!("publishers/{publisher}/pubkey.asc")
}
