//! Bodies of the size that GitHub sends: `pull_request` events of an exact length, the same ones in every run.

use anyhow::{Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The secret that senders and receivers share.
pub const SECRET: &str = "It's a Secret to Everybody";

/// How many different bodies of one size there are. Each is signed once, so that signing costs the sender nothing.
pub const VARIANTS: usize = 8;

/// Words of no meaning, to fill a description up to the length that is wanted.
const WORDS: &str = "The bell rings once for each delivery, however often its sender repeats it. ";

/// What follows the address of a repository in the fields of a `repository` object.
const REPOSITORY_URLS: &str = include_str!("../bodies/repository-urls.txt");

/// What follows the address of a user in the fields of a `user` object.
const USER_URLS: &str = include_str!("../bodies/user-urls.txt");

/// The sizes that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 1,024 bytes: what is said of a pull request that a workflow needs.
    Small,
    /// 28,672 bytes: all that GitHub says of a pull request, three repositories and its people among it.
    Large,
}

/// A body with its signature.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The body.
    pub body: Vec<u8>,
    /// The value of `X-Hub-Signature-256`.
    pub signature: String,
}

impl Size {
    /// Both sizes.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// How many bytes a body has.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Small => 1 << 10,
            Self::Large => 28 << 10,
        }
    }

    /// What it is called in tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Small => "1 KB",
            Self::Large => "28 KB",
        }
    }
}

impl Sample {
    /// A body with its signature under [`SECRET`].
    #[must_use]
    pub fn sign(body: Vec<u8>) -> Self {
        let signature = format!("sha256={}", hex::encode(digest(&body)));
        Self { body, signature }
    }
}

/// The [`VARIANTS`] bodies of a size, signed.
///
/// # Errors
/// If what they say takes more bytes than they may have.
pub fn samples(size: Size) -> Result<Vec<Sample>> {
    let one = |number| Ok(Sample::sign(body(size, number)?));
    (1..=VARIANTS as u64).map(one).collect()
}

/// HMAC-SHA256 under [`SECRET`].
fn digest(body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// The body about the pull request of this number.
fn body(size: Size, number: u64) -> Result<Vec<u8>> {
    let mut event = match size {
        Size::Small => brief(number),
        Size::Large => full(number),
    };
    let bare = serde_json::to_vec(&event)?.len();
    ensure!(
        bare <= size.bytes(),
        "a body of {} bytes has no room for {bare}",
        size.bytes()
    );
    let filling = WORDS.chars().cycle().take(size.bytes() - bare);
    event["pull_request"]["body"] = filling.collect::<String>().into();
    Ok(serde_json::to_vec(&event)?)
}

fn brief(number: u64) -> Value {
    json!({
        "action": "opened",
        "number": number,
        "pull_request": {
            "number": number, "state": "open", "title": format!("Ring once, part {number}"), "body": "",
            "html_url": format!("https://github.com/belfry/tower/pull/{number}"),
            "user": {"login": "ringer-7", "id": 7_000_007},
            "head": {"ref": format!("ring-{number}"), "sha": commit(number)},
            "base": {"ref": "main", "sha": commit(0)},
        },
        "repository": {
            "id": 31_000_031, "name": "tower", "full_name": "belfry/tower", "private": false,
            "html_url": "https://github.com/belfry/tower", "default_branch": "main",
        },
        "sender": {"login": "ringer-7", "id": 7_000_007},
    })
}

fn full(number: u64) -> Value {
    let address = format!("https://api.github.com/repos/belfry/tower/pulls/{number}");
    let page = format!("https://github.com/belfry/tower/pull/{number}");
    let mut pull = json!({
        "url": address, "id": 1_900_000_000 + number, "number": number, "state": "open", "locked": false, "draft": false,
        "title": format!("Ring once, part {number}"), "body": "",
        "html_url": page, "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
        "user": user(7),
        "assignees": [user(11), user(12)], "requested_reviewers": [user(13), user(14)], "requested_teams": [],
        "labels": [label("tower"), label("needs review"), label("good first ring")],
        "head": branch(&format!("ring-{number}"), number), "base": branch("main", 0),
        "created_at": "2026-11-22T08:00:00Z", "updated_at": "2026-11-22T08:05:00Z", "closed_at": null, "merged_at": null,
        "merge_commit_sha": commit(number + 1), "author_association": "CONTRIBUTOR", "auto_merge": null, "active_lock_reason": null,
        "merged": false, "mergeable": null, "rebaseable": null, "mergeable_state": "unknown", "merged_by": null,
        "comments": 0, "review_comments": 0, "maintainer_can_modify": true,
        "commits": 3, "additions": 120 + number, "deletions": 17, "changed_files": 9,
    });
    for part in ["commits", "review_comments", "comments", "statuses"] {
        pull[format!("{part}_url")] = format!("{address}/{part}").into();
    }
    json!({
        "action": "opened", "number": number, "pull_request": pull, "repository": repository(),
        "organization": {"login": "belfry", "id": 4_000_004, "url": "https://api.github.com/orgs/belfry", "description": ""},
        "sender": user(7),
        "installation": {"id": 52_000_052, "node_id": "MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9uNTIwMDAwNTI="},
    })
}

fn branch(name: &str, number: u64) -> Value {
    json!({
        "label": format!("belfry:{name}"), "ref": name, "sha": commit(number), "user": user(4), "repo": repository(),
    })
}

fn repository() -> Value {
    let mut repository = json!({
        "id": 31_000_031, "node_id": "R_kgDOAdkFHw", "name": "tower", "full_name": "belfry/tower", "private": false,
        "owner": user(4), "description": "Bells, and what rings them", "fork": false,
        "html_url": "https://github.com/belfry/tower", "clone_url": "https://github.com/belfry/tower.git",
        "created_at": "2025-01-06T09:00:00Z", "updated_at": "2026-11-21T17:12:44Z", "pushed_at": "2026-11-22T07:58:03Z",
        "size": 18_204, "stargazers_count": 1_204, "watchers_count": 1_204, "language": "Rust", "forks_count": 87,
        "has_issues": true, "has_projects": true, "has_wiki": false, "has_pages": true, "has_discussions": true,
        "archived": false, "disabled": false, "open_issues_count": 42, "visibility": "public", "default_branch": "main",
        "license": {"key": "apache-2.0", "name": "Apache License 2.0", "spdx_id": "Apache-2.0", "node_id": "MDc6TGljZW5zZTI="},
        "topics": ["bells", "events", "webhooks"], "allow_forking": true, "is_template": false,
        "web_commit_signoff_required": false, "mirror_url": null, "homepage": "",
    });
    addresses(
        &mut repository,
        "https://api.github.com/repos/belfry/tower",
        REPOSITORY_URLS,
    );
    repository
}

fn user(number: u64) -> Value {
    let login = format!("ringer-{number}");
    let address = format!("https://api.github.com/users/{login}");
    let mut user = json!({
        "login": login, "id": 7_000_000 + number, "node_id": format!("U_kgDOAGrP{number:02}"), "gravatar_id": "",
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", 7_000_000 + number),
        "html_url": format!("https://github.com/{login}"), "type": "User", "site_admin": false,
    });
    addresses(&mut user, &address, USER_URLS);
    user
}

fn label(name: &str) -> Value {
    let id = 5_000_000 + name.len();
    let url = format!(
        "https://api.github.com/repos/belfry/tower/labels/{}",
        name.replace(' ', "%20")
    );
    json!({"id": id, "node_id": format!("LA_kw{id}"), "url": url, "name": name, "color": "1d76db", "default": false, "description": null})
}

/// Adds a field for each line of `lines`: its name, and after a blank what follows `base` in its value.
fn addresses(object: &mut Value, base: &str, lines: &str) {
    for line in lines.lines() {
        let (field, rest) = line.split_once(' ').unwrap_or((line, ""));
        object[field] = format!("{base}{rest}").into();
    }
}

/// The name of a commit: 40 hexadecimal digits.
fn commit(number: u64) -> String {
    hex::encode(&digest(&number.to_be_bytes())[..20])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_exactly_their_size_and_differ() {
        for size in Size::ALL {
            let samples = samples(size).unwrap();
            for sample in &samples {
                assert_eq!(sample.body.len(), size.bytes());
                let event: Value = serde_json::from_slice(&sample.body).unwrap();
                assert_eq!(event["action"], "opened");
                // What fills them up is a part of them, not most of them.
                let filling = event["pull_request"]["body"].as_str().unwrap().len();
                assert!(filling * 2 < size.bytes(), "{filling} bytes of filling");
            }
            let mut bodies: Vec<_> = samples.iter().map(|sample| &sample.body).collect();
            bodies.dedup();
            assert_eq!(bodies.len(), VARIANTS);
        }
    }

    /// The example of GitHub's documentation, "Validating webhook deliveries".
    #[test]
    fn bodies_are_signed_as_github_signs() {
        assert_eq!(
            Sample::sign(b"Hello, World!".to_vec()).signature,
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
