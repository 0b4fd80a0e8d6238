//! Certificates: any file is read or refused, and a key of any bytes verifies nothing.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use belfry_fuzz::provider::{FIRST, SIGNED_AT, at, providers};
use belfry_mesh::signature::Certificate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // A file as it is, or what is in one.
    let file = if bytes.starts_with(b"-----") {
        bytes.to_vec()
    } else {
        let lines: Vec<String> = STANDARD
            .encode(bytes)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let text = lines.join("\n");
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").into_bytes()
    };
    let now = at(SIGNED_AT);
    let Ok(certificate) = Certificate::from_pem(&file, now) else {
        return;
    };
    assert!(certificate.is_valid_at(now));
    let sns = providers().iter().find(|provider| provider.scheme == "sns");
    let sns = sns.expect("a scheme of that name");
    let mut post = sns.send("text", None, FIRST);
    // One letter of the signed message.
    let place = post
        .body
        .windows(4)
        .position(|word| word == b"text")
        .expect("the message");
    post.body[place] = b'n';
    let headers = post.header_map();
    let delivery = post.delivery(&headers, Some(&certificate));
    assert!(sns.verifier.receive(delivery, now).is_err());
});
