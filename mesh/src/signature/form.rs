//! Urlencoded forms and queries (<https://url.spec.whatwg.org/#urlencoded-parsing>).

/// The fields of a form, in its order. A field whose name or value is not UTF-8 is there all the same, as its bytes.
pub(super) fn fields(form: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    let pairs = form
        .split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match at {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        (decode(name), decode(value))
    })
}

/// The value of a field that is there once and in UTF-8. One that is there twice has none, because readers differ in which one
/// they take.
pub(super) fn value(form: &str, name: &str) -> Option<String> {
    let mut values = form.split('&').filter_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        let same = found == name
            || found.contains(['%', '+']) && decode(found.as_bytes()) == name.as_bytes();
        same.then_some(value)
    });
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    String::from_utf8(decode(value.as_bytes())).ok()
}

/// What an urlencoded text stands for. An escape that is none stands for itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escaped = escape(&text[at..]);
        plain.push(escaped.unwrap_or(if byte == b'+' { b' ' } else { byte }));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    plain
}

/// The byte that an escape at the beginning of the text stands for.
pub(super) fn escape(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match text {
        [b'%', high, low, ..] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    }
}
