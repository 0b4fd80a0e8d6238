use super::*;
use crate::event::{AnswerTo, EventId};
use crate::name::TriggerName;
use crate::trace::TraceParent;
use jiff::Timestamp;
use proptest::prelude::*;

fn texts() -> impl Strategy<Value = String> {
    "\\PC{0,30}|[\\x00-\\x7f]{0,30}|%[0-9a-f]{2}é"
}

fn addresses() -> impl Strategy<Value = Address> {
    let name = "[a-z0-9][a-z0-9_-]{0,62}".prop_map(|name| TriggerName::parse(&name).unwrap());
    prop_oneof![
        name.clone().prop_map(Address::Trigger),
        name.prop_map(Address::Tick),
        "[a-z]{1,8}(\\.[a-z]{1,8}){0,3}".prop_map(Address::Signal),
    ]
}

fn ids() -> impl Strategy<Value = EventId> {
    "[!-~]{1,200}".prop_map(|id| EventId::parse(&id).unwrap())
}

fn events() -> impl Strategy<Value = Event> {
    let whole_range = Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond();
    let traces =
        (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, parent, sampled)| {
            let text = format!("00-{trace:032x}-{parent:016x}-{:02x}", u8::from(sampled));
            TraceParent::parse(&text).unwrap()
        });
    let named = (ids(), texts(), texts(), proptest::option::of(texts()));
    let given = (
        proptest::option::of(texts()),
        proptest::option::of(texts()),
        proptest::option::of(ids()),
        proptest::option::of("[0-9a-f]{16}"),
        proptest::collection::vec(("[a-z0-9-]{0,20}", texts()), 0..6),
    );
    let rest = (
        whole_range,
        addresses(),
        proptest::option::of(traces),
        proptest::collection::vec(any::<u8>(), 0..300),
    );
    (named, given, rest).prop_map(|(named, given, rest)| Event {
        id: named.0,
        source: named.1,
        event_type: named.2,
        subject: named.3,
        content_type: given.0,
        delivery_id: given.1,
        replay_of: given.2,
        answer_to: given.3.and_then(|text| AnswerTo::parse(&text)),
        headers: given.4,
        time: Timestamp::from_nanosecond(rest.0).unwrap(),
        address: rest.1,
        trace: rest.2,
        data: rest.3.into(),
    })
}

fn proven() -> impl Strategy<Value = Proven> {
    let origins = prop_oneof![
        Just(Origin::Verified),
        Just(Origin::Operator),
        Just(Origin::Replay)
    ];
    (events(), origins).prop_map(|(event, origin)| Proven::recorded(event, origin))
}

fn record(proven: &Proven) -> Vec<u8> {
    let mut record = Vec::new();
    proven.to_record(&mut record);
    record
}

proptest! {
    #[test]
    fn any_event_and_its_origin_survive_their_record(proven in proven()) {
        let back = Proven::from_record(&record(&proven)).unwrap();
        prop_assert_eq!(back.event(), proven.event());
        prop_assert_eq!(back.origin(), proven.origin());
    }

    #[test]
    fn a_record_is_added_behind_what_is_there(proven in proven()) {
        let mut longer = b"before".to_vec();
        proven.to_record(&mut longer);
        prop_assert_eq!(&longer[..6], b"before");
        prop_assert_eq!(&longer[6..], record(&proven));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Proven::from_record(&bytes);
        let known_layout = [&[LAYOUT, b'v'][..], &bytes].concat();
        let _ = Proven::from_record(&known_layout);
    }

    #[test]
    fn a_changed_record_does_not_panic(proven in proven(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = record(&proven);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = Proven::from_record(&bytes);
    }

    #[test]
    fn a_record_that_is_cut_before_its_data_is_none(proven in proven()) {
        let bytes = record(&proven);
        for end in 0..bytes.len() - proven.event().data.len() {
            prop_assert!(Proven::from_record(&bytes[..end]).is_err(), "{} bytes were taken", end);
        }
    }
}

#[test]
fn what_is_wrong_with_a_record_is_named() {
    let wrong = |bytes: &[u8]| Proven::from_record(bytes).unwrap_err();
    assert_eq!(wrong(b""), Malformed::Cut("layout"));
    assert_eq!(wrong(&[9, b'v']), Malformed::Layout(9));
    assert_eq!(wrong(&[LAYOUT]), Malformed::Cut("origin"));
    assert_eq!(wrong(&[LAYOUT, b'x']), Malformed::Unusable("origin"));
    assert_eq!(wrong(&[LAYOUT, b'v', 2]), Malformed::Cut("subject"));
    let mut elsewhere = vec![LAYOUT, b'v'];
    put_text(&mut elsewhere, "elsewhere.t");
    assert_eq!(wrong(&elsewhere), Malformed::Unusable("subject"));
    let mut bare = vec![LAYOUT, b'v'];
    put_text(&mut bare, "belfry.event.t");
    put_number(&mut bare, 0);
    assert_eq!(
        wrong(&bare),
        Malformed::Attributes(binding::Malformed::Missing("specversion"))
    );
}
