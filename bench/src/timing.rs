//! Whether the time that a refusal takes tells where a forged signature is wrong: a statistical test after *dude, is my code constant
//! time?* (Reparaz, Balasch, Verbauwhede, 2017, <https://eprint.iacr.org/2016/1123>). It can show a leak, and never that there is none.

use crate::body::{SECRET, Sample};
use anyhow::{Result, ensure};
use belfry_mesh::signature::{Delivery, Scheme, Verifier};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use secrecy::SecretString;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// From which |t| on a difference is taken for real, by the paper: far beyond what chance brings about in a test of this size.
pub const THRESHOLD: f64 = 4.5;

/// The shares of the fastest measurements that are looked at besides all of them: what interrupts and other processes add is in the
/// slow ones.
pub const CROPS: [f64; 4] = [1.0, 0.99, 0.9, 0.5];

/// How many deliveries are made before they are timed, one after the other: what was just written is still on its way to memory, and
/// where in the header that was would show in the time.
const BATCH: usize = 512;

/// The header with the signature.
const SIGNATURE: &str = "x-hub-signature-256";

/// What was compared, and how it came out.
#[derive(Debug)]
pub struct Outcome {
    /// What was timed.
    pub what: &'static str,
    /// Welch's t for each of [`CROPS`].
    pub t: [f64; CROPS.len()],
    /// The means of both classes over the fastest half, in nanoseconds: the first byte wrong, the last byte wrong.
    pub means: (f64, f64),
}

/// One class of measurements, summed up as it goes (Welford's method).
#[derive(Debug, Default, Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

/// A signature of 32 bytes that is wrong in one place.
struct Forger {
    right: Vec<u8>,
    rng: SmallRng,
}

/// Runs the test with so many measurements for each of: the verifier of the `github` scheme; the same with no difference between the
/// classes, which shows what chance does; and a comparison that stops at the first difference, which shows that the test finds one.
///
/// # Errors
/// If the verifier takes a forgery.
pub fn run(samples: usize) -> Result<Vec<Outcome>> {
    let body = b"{\"action\":\"opened\"}".to_vec();
    let right = Sample::sign(body.clone()).signature;
    let scheme = Scheme::named("github")?;
    let verifier = Verifier::try_new(&scheme, vec![SecretString::from(SECRET)])?;
    let body = Bytes::from(body);
    let verify = |headers: &HeaderMap| {
        let delivery = Delivery {
            method: &Method::POST,
            query: None,
            headers,
            body: body.clone(),
            certificate: None,
        };
        let begun = Instant::now();
        let verdict = verifier.receive(black_box(delivery), Timestamp::UNIX_EPOCH);
        let taken = begun.elapsed();
        (taken, verdict.is_err())
    };
    let naive = |headers: &HeaderMap| {
        let offered = headers[SIGNATURE].as_bytes();
        let begun = Instant::now();
        // Many times over, since once takes less than the clock can tell.
        let same = (0..16).filter(|_| stops_early(black_box(offered), right.as_bytes()));
        let same = same.count();
        (begun.elapsed(), same == 0)
    };
    let right = right.as_bytes();
    Ok(vec![
        test(
            "verifier, first byte against last byte",
            samples,
            right,
            [0, 31],
            verify,
        )?,
        test(
            "verifier, last byte against last byte (chance)",
            samples,
            right,
            [31, 31],
            verify,
        )?,
        test(
            "a comparison that stops early, first byte against last byte (control)",
            samples,
            right,
            [0, 31],
            naive,
        )?,
    ])
}

/// Times `check` with signatures that are wrong at one of two bytes, in random order.
fn test(
    what: &'static str,
    samples: usize,
    right: &[u8],
    wrong_at: [usize; 2],
    check: impl Fn(&HeaderMap) -> (Duration, bool),
) -> Result<Outcome> {
    let mut forger = Forger {
        right: right.to_vec(),
        rng: SmallRng::seed_from_u64(4),
    };
    let mut times: [Vec<f64>; 2] = Default::default();
    // The first batch warms caches and clocks, and is not counted.
    for batch in 0..=samples.div_ceil(BATCH) {
        let forged: Vec<(usize, HeaderMap)> = (0..BATCH).map(|_| forger.forge(wrong_at)).collect();
        for (class, headers) in &forged {
            let (taken, refused) = check(headers);
            ensure!(refused, "a forged signature was taken");
            if batch > 0 {
                times[*class].push(taken.as_nanos() as f64);
            }
        }
    }
    let mut all = times.concat();
    all.sort_by(f64::total_cmp);
    let crop = |share: f64| {
        let last = ((all.len() as f64 * share) as usize).clamp(1, all.len()) - 1;
        let most = all[last];
        times
            .each_ref()
            .map(|class| Moments::of(class.iter().copied().filter(|time| *time <= most)))
    };
    let [first, last] = crop(0.5);
    Ok(Outcome {
        what,
        t: CROPS.map(|share| {
            let [first, last] = crop(share);
            welch(first, last)
        }),
        means: (first.mean, last.mean),
    })
}

impl Forger {
    /// A delivery whose signature is right but for one digit of one of these bytes of the digest, and which of them. A numeral is
    /// replaced by a numeral and a letter by a letter: reading them takes different branches, and what the sender wrote is no secret.
    fn forge(&mut self, wrong_at: [usize; 2]) -> (usize, HeaderMap) {
        let class = usize::from(self.rng.random::<bool>());
        let mut forged = self.right.clone();
        let at = "sha256=".len() + 2 * wrong_at[class] + self.rng.random_range(0..2);
        let like: &[u8] = match self.right[at] {
            b'0'..=b'9' => b"0123456789",
            _ => b"abcdef",
        };
        while forged[at] == self.right[at] {
            forged[at] = like[self.rng.random_range(0..like.len())];
        }
        (class, headers(&forged))
    }
}

impl Outcome {
    /// The largest |t|.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.t.iter().fold(0.0, |worst, t| t.abs().max(worst))
    }
}

impl Moments {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut of = Self::default();
        for value in values {
            of.count += 1.0;
            let off = value - of.mean;
            of.mean += off / of.count;
            of.squares += off * (value - of.mean);
        }
        of
    }

    fn variance(self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

/// Welch's t.
fn welch(one: Moments, other: Moments) -> f64 {
    let spread = one.variance() / one.count + other.variance() / other.count;
    if spread > 0.0 {
        (one.mean - other.mean) / spread.sqrt()
    } else {
        0.0
    }
}

fn headers(signature: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    let put = [
        ("x-github-event", &b"pull_request"[..]),
        ("x-github-delivery", b"d-1"),
        (SIGNATURE, signature),
    ];
    for (name, value) in put {
        let value = HeaderValue::from_bytes(value).expect("digits and letters");
        headers.insert(name, value);
    }
    headers
}

/// What not to do.
#[inline(never)]
fn stops_early(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| black_box(one) == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_is_welch_s() {
        let one = Moments::of([27.5, 21.0, 19.0, 23.6, 17.0, 17.9].into_iter());
        let other = Moments::of([27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0].into_iter());
        // By hand: the deviations' squares add up to 78.62 and 30.06.
        assert!((one.mean - 21.0).abs() < 1e-9 && (one.variance() - 15.724).abs() < 1e-9);
        assert!((other.mean - 23.5).abs() < 1e-9);
        let expected = -2.5 / (78.62_f64 / 5.0 / 6.0 + 30.06 / 7.0 / 8.0).sqrt();
        assert!((welch(one, other) - expected).abs() < 1e-9);
    }

    #[test]
    fn forgeries_are_wrong_in_one_digit_of_the_byte_they_should_be() {
        let right = Sample::sign(b"x".to_vec()).signature.into_bytes();
        let mut forger = Forger {
            right: right.clone(),
            rng: SmallRng::seed_from_u64(1),
        };
        for byte in [0, 31] {
            for _ in 0..50 {
                let (_, headers) = forger.forge([byte, byte]);
                let forged = headers[SIGNATURE].as_bytes();
                let wrong: Vec<usize> = (0..right.len())
                    .filter(|&at| forged[at] != right[at])
                    .collect();
                assert!(wrong.len() == 1 && (wrong[0] - 7) / 2 == byte, "{wrong:?}");
                let is_numeral = |text: &[u8]| text[wrong[0]].is_ascii_digit();
                assert_eq!(is_numeral(forged), is_numeral(&right));
            }
        }
    }

    #[test]
    fn the_test_runs_and_finds_nothing_where_nothing_is_forged_differently() {
        let outcomes = run(2_000).unwrap();
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|outcome| outcome.worst().is_finite()));
    }
}
