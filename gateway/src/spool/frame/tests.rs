use super::*;
use belfry_mesh::trace::TraceParent;
use belfry_mesh::{EventId, TriggerName};
use proptest::prelude::*;

const MARK: Mark = Mark(0x0123_4567_89ab_cdef);

fn event(id: &str, data: Vec<u8>) -> Proven {
    Proven::run(
        &TriggerName::parse("t").unwrap(),
        EventId::parse(id).unwrap(),
        data.into(),
        "2026-11-22T08:00:00.123Z".parse().unwrap(),
        TraceParent::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap(),
    )
}

fn frame(id: &str, data: Vec<u8>) -> Vec<u8> {
    let spooled = "2026-11-22T08:00:01.5Z".parse().unwrap();
    let mut frame = Frame::new(&event(id, data), spooled).unwrap();
    frame.marked(MARK).to_vec()
}

/// The ids of the events in a segment, and how many stretches of it are damaged or torn.
fn survey(segment: &[u8]) -> (Vec<String>, usize) {
    let (mut ids, mut wrong, mut at) = (Vec::new(), 0, 0);
    while at < segment.len() {
        at = match piece(segment, at, MARK, true) {
            Piece::Record { body, end } => {
                ids.push(open(body).unwrap().1.event().id.to_string());
                end
            }
            Piece::Damaged { end } => {
                wrong += 1;
                end
            }
            Piece::Torn => {
                wrong += 1;
                segment.len()
            }
            Piece::Unfinished => panic!("the whole segment was given"),
        };
    }
    (ids, wrong)
}

#[test]
fn an_event_and_its_time_survive_their_record() {
    let bytes = frame("a", b"\xff\x00 body".to_vec());
    let Piece::Record { body, end } = piece(&bytes, 0, MARK, true) else {
        panic!("no record");
    };
    let (spooled, back) = open(body).unwrap();
    assert_eq!(end, bytes.len());
    assert_eq!(spooled.to_string(), "2026-11-22T08:00:01.5Z");
    assert_eq!(back.event(), event("a", b"\xff\x00 body".to_vec()).event());
}

#[test]
fn a_flipped_bit_never_yields_an_event_and_costs_no_other() {
    let parts = ["a", "b", "c"].map(|id| frame(id, vec![b'x'; 20]));
    let (begin, length) = (parts[0].len(), parts[1].len());
    let whole = parts.concat();
    for bit in begin * 8..(begin + length) * 8 {
        let mut segment = whole.clone();
        segment[bit / 8] ^= 1 << (bit % 8);
        let (ids, wrong) = survey(&segment);
        assert_eq!(ids, ["a", "c"], "bit {bit}");
        assert_eq!(wrong, 1, "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_of_the_last_record_yields_nothing_either() {
    let first = frame("a", vec![b'x'; 20]);
    let whole = [&first[..], &frame("b", vec![b'x'; 20])].concat();
    for bit in first.len() * 8..whole.len() * 8 {
        let mut segment = whole.clone();
        segment[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(survey(&segment), (vec!["a".to_owned()], 1), "bit {bit}");
    }
}

#[test]
fn a_record_that_is_cut_anywhere_is_torn() {
    let first = frame("a", vec![b'x'; 20]);
    let whole = [&first[..], &frame("b", vec![b'x'; 20])].concat();
    for end in first.len() + 1..whole.len() {
        let found = piece(&whole[..end], first.len(), MARK, true);
        assert_eq!(found, Piece::Torn, "cut at {end}");
    }
}

#[test]
fn zeros_at_the_end_are_a_write_that_never_came() {
    let bytes = [&frame("a", Vec::new())[..], &[0; 100]].concat();
    assert_eq!(survey(&bytes), (vec!["a".to_owned()], 1));
    let at = bytes.len() - 100;
    assert_eq!(piece(&bytes, at, MARK, true), Piece::Torn);
}

#[test]
fn a_record_in_the_body_of_a_damaged_one_is_not_found_without_the_mark() {
    let forged = {
        let mut frame = Frame::new(&event("forged", Vec::new()), Timestamp::UNIX_EPOCH).unwrap();
        frame.marked(Mark(1)).to_vec()
    };
    let parts = [frame("a", forged.repeat(3)), frame("b", Vec::new())];
    for byte in 0..16 {
        let mut segment = parts.concat();
        segment[byte] ^= 0xff;
        assert_eq!(survey(&segment), (vec!["b".to_owned()], 1), "byte {byte}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
        let marked = [&MARK.bytes()[..], &bytes].concat();
        for bytes in [&bytes, &marked] {
            for at in 0..bytes.len() {
                if let Piece::Record { body, .. } = piece(bytes, at, MARK, whole) {
                    let _ = open(body);
                }
            }
        }
    }

    #[test]
    fn a_stretch_says_nothing_that_the_whole_does_not(
        sizes in proptest::collection::vec(0_usize..200, 1..6),
        damage in proptest::option::of((any::<prop::sample::Index>(), 1_u8..)),
        end in any::<prop::sample::Index>(),
    ) {
        let ids = ["a", "b", "c", "d", "e", "f"];
        let frames: Vec<_> = sizes.iter().zip(ids).map(|(size, id)| frame(id, vec![b'x'; *size])).collect();
        let mut segment = frames.concat();
        if let Some((at, change)) = damage {
            let at = at.index(segment.len());
            segment[at] ^= change;
        }
        let stretch = &segment[..end.index(segment.len() + 1)];
        let mut at = 0;
        while at < stretch.len() {
            let found = piece(stretch, at, MARK, false);
            if found == Piece::Unfinished {
                break;
            }
            prop_assert_eq!(&found, &piece(&segment, at, MARK, true));
            let (Piece::Record { end, .. } | Piece::Damaged { end }) = found else {
                break;
            };
            at = end;
        }
    }
}
