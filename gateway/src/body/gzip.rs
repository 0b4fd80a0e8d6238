//! gzip (RFC 1952), inflated for as long as it makes sense.

use super::budget::{Held, SMALL};
use crate::answer::Refused;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};

/// How many times its size a body may inflate to, once it is no longer small. JSON comes to 20 at most; deflate can do 1032, which
/// only bombs do.
const PROPORTION: usize = 128;

/// How much is fed at once, in bytes: it inflates to about a quarter of a megabyte at most, which takes well under a millisecond.
const BITE: usize = 256;

/// After how much other tasks have their turn, in bytes.
const TURN: usize = 64 << 10;

/// Where the inflated bytes go, up to a bound.
struct Sink<'a> {
    bytes: Vec<u8>,
    most: usize,
    held: &'a mut Held,
    refused: Option<Refused>,
}

/// The body without its coding, all its members in a row.
///
/// # Errors
/// [`Refused::TooLarge`] beyond `limit` bytes, [`Refused::Bomb`], [`Refused::NotGzip`] if it is none, is not whole, or something
/// else follows, [`Refused::Busy`] if the budget is spent.
pub(super) async fn inflate(sent: Bytes, limit: usize, held: &mut Held) -> Result<Bytes, Refused> {
    let proportionate = sent.len().saturating_mul(PROPORTION).max(SMALL);
    let sink = Sink {
        bytes: Vec::new(),
        most: limit.min(proportionate),
        held,
        refused: None,
    };
    let mut decoder = MultiGzDecoder::new(sink);
    let (mut turn, mut fed) = (0, 0);
    for bite in sent.chunks(BITE) {
        if decoder.write_all(bite).is_err() {
            return Err(why(decoder.get_mut(), limit));
        }
        let inflated = decoder.get_ref().bytes.len();
        fed += bite.len();
        if inflated + fed >= turn + TURN {
            turn = inflated + fed;
            tokio::task::yield_now().await;
        }
    }
    if decoder.try_finish().is_err() {
        return Err(why(decoder.get_mut(), limit));
    }
    Ok(std::mem::take(&mut decoder.get_mut().bytes).into())
}

fn why(sink: &mut Sink<'_>, limit: usize) -> Refused {
    match sink.refused.take() {
        Some(Refused::TooLarge { .. }) if sink.most < limit => Refused::Bomb { times: PROPORTION },
        Some(refused) => refused,
        None => Refused::NotGzip,
    }
}

impl Sink<'_> {
    fn take(&mut self, inflated: &[u8]) -> Result<(), Refused> {
        if self.bytes.len() + inflated.len() > self.most {
            return Err(Refused::TooLarge { limit: self.most });
        }
        self.held.grow(inflated.len())?;
        self.bytes.extend_from_slice(inflated);
        Ok(())
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, inflated: &[u8]) -> io::Result<usize> {
        match self.take(inflated) {
            Ok(()) => Ok(inflated.len()),
            Err(refused) => {
                self.refused = Some(refused);
                Err(io::ErrorKind::Other.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Budget;
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    const LIMIT: usize = 5 << 20;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// A thousand bytes that do not pack to nothing, again and again.
    fn text(size: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let draw = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"abcdefgh"[(state >> 29) as usize]
        };
        (0..size).map(draw).collect()
    }

    async fn inflated(sent: &[u8]) -> Result<Bytes, String> {
        let budget = Budget::new(64 << 20);
        let mut held = Held::none(&budget);
        let body = inflate(Bytes::copy_from_slice(sent), LIMIT, &mut held).await;
        assert!(
            budget.spent() <= (LIMIT + (16 << 10)),
            "it held {}",
            budget.spent()
        );
        body.map_err(|refused| refused.to_string())
    }

    #[tokio::test]
    async fn what_was_packed_comes_out() {
        for size in [0, 1, 255, 70_000, LIMIT] {
            let body = text(size);
            assert!(inflated(&packed(&body)).await.unwrap() == body, "{size}");
        }
        let (one, other) = (text(300), text(100_000));
        let both = [packed(&one), packed(b""), packed(&other)].concat();
        assert!(inflated(&both).await.unwrap() == [one, other].concat());
    }

    #[tokio::test]
    async fn what_is_no_gzip_is_refused() {
        let good = packed(&text(1000));
        let mut wrong_sum = good.clone();
        let sum = good.len() - 6;
        wrong_sum[sum] ^= 1;
        for (what, sent) in [
            ("nothing", vec![]),
            ("text", b"{}".to_vec()),
            ("half of it", good[..good.len() / 2].to_vec()),
            ("all but its end", good[..good.len() - 1].to_vec()),
            ("its head", good[..5].to_vec()),
            ("a wrong sum", wrong_sum),
            ("junk behind it", [&good[..], b"junk"].concat()),
            ("zeros behind it", [&good[..], &[0; 100]].concat()),
        ] {
            let refused = inflated(&sent).await;
            assert_eq!(refused, Err(Refused::NotGzip.to_string()), "{what}");
        }
    }

    #[tokio::test]
    async fn a_bomb_is_given_up_early() {
        let bomb = packed(&vec![0; 4 << 20]);
        assert_eq!(
            inflated(&bomb).await,
            Err(Refused::Bomb { times: PROPORTION }.to_string())
        );
        // What is small may be of any proportion.
        let small = vec![0; SMALL];
        assert!(inflated(&packed(&small)).await.unwrap() == small);
        let large = packed(&text(LIMIT + 1));
        assert_eq!(
            inflated(&large).await,
            Err(Refused::TooLarge { limit: LIMIT }.to_string())
        );
    }

    #[tokio::test]
    async fn members_without_content_come_to_an_end() {
        let empty = packed(b"").repeat(10_000);
        assert!(inflated(&empty).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_the_budget_does_not_have_is_not_inflated() {
        let budget = Budget::new(1 << 20);
        let mut held = Held::none(&budget);
        let sent = packed(&text(2 << 20));
        let refused = inflate(sent.into(), LIMIT, &mut held).await.unwrap_err();
        assert_eq!(refused.to_string(), Refused::Busy.to_string());
        assert!(budget.spent() <= 512 << 10);
    }
}
