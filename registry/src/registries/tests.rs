use super::*;

fn fault(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_file_of_an_earlier_system_is_read_with_its_order_and_its_switches() {
    let registries = parse(
        "; ours first\n[house]\nname=The house\nbaseurl: https://packages.example/belfry/\npriority = 1\n\n\
         # theirs\n[public]\nBaseURL = http://registry:9000\nenabled = No\n",
    )
    .unwrap();
    let [house, public] = registries.as_slice() else {
        panic!("{registries:?}")
    };
    assert_eq!(
        (
            house.id.as_str(),
            house.name.as_str(),
            house.priority,
            house.enabled
        ),
        ("house", "The house", 1, true)
    );
    assert_eq!(house.address.to_string(), "https://packages.example/belfry");
    assert_eq!(
        (public.name.as_str(), public.priority, public.enabled),
        ("public", DEFAULT_PRIORITY, false)
    );
}

#[test]
fn every_way_to_say_yes_and_no_is_understood() {
    for (word, enabled) in [
        ("true", true),
        ("1", true),
        ("YES", true),
        ("false", false),
        ("0", false),
        ("no", false),
    ] {
        let text = format!("[a]\nbaseurl=http://a\nenabled={word}\n[b]\nbaseurl=http://b\n");
        assert_eq!(parse(&text).unwrap()[0].enabled, enabled, "{word}");
    }
}

#[test]
fn what_is_wrong_is_said_with_its_section_and_its_line() {
    for (text, place, why) in [
        (
            "[a]\nbaseurl=http://a\n\nurl = http://b\n",
            "section `a`, line 4",
            "`url` is not a key",
        ),
        (
            "[a]\nbaseurl=http://a\n[a]\nbaseurl=http://b\n",
            "section `a`, line 3",
            "two registries",
        ),
        (
            "[a]\nbaseurl=http://a\nbaseurl=http://b\n",
            "section `a`, line 3",
            "twice",
        ),
        (
            "[a]\nbaseurl=http://a\n[b]\nname=b\n",
            "section `b`, line 3",
            "`baseurl` is missing",
        ),
        (
            "[a]\nbaseurl=http://a\nenabled=maybe\n",
            "section `a`, line 3",
            "`maybe`; write `true` or `false`",
        ),
        (
            "[a]\nbaseurl=http://a\npriority=high\n",
            "section `a`, line 3",
            "`high`; write a whole number",
        ),
        (
            "[a]\nbaseurl=ftp://a\n",
            "section `a`, line 2",
            "is not an address",
        ),
        (
            "[a]\nbaseurl=http://a/?token=x\n",
            "section `a`, line 2",
            "has a `?`",
        ),
        (
            "name = a\n[a]\nbaseurl=http://a\n",
            "line 1",
            "before the first section",
        ),
        ("[a]\nbaseurl=http://a\nnonsense\n", "line ", ""),
        ("", "", "no registry is enabled"),
        (
            "[a]\nbaseurl=http://a\nenabled=0\n",
            "",
            "no registry is enabled",
        ),
    ] {
        let said = fault(text);
        assert!(
            said.starts_with(place) && said.contains(why),
            "{text:?}: {said}"
        );
    }
}

#[test]
fn a_login_is_used_and_never_shown() {
    let text = "[a]\nbaseurl=https://reader:p%40ss@packages.example/belfry/\n";
    let registry = parse(text).unwrap().remove(0);
    for shown in [format!("{registry:?}"), registry.address.to_string()] {
        assert!(
            !shown.contains("p%40ss") && !shown.contains("reader"),
            "{shown}"
        );
    }
    assert_eq!(
        registry
            .address
            .of(&["triggers", "a b", "1.0.0+x"])
            .as_str(),
        "https://reader:p%40ss@packages.example/belfry/triggers/a%20b/1.0.0+x"
    );
    let said = fault("[a]\nbaseurl=reader:p%40ss@packages.example\n");
    assert!(!said.contains("p%40ss"), "{said}");
}

#[test]
fn an_address_may_have_a_path_and_a_slash_at_its_end() {
    for (text, url) in [
        ("http://a", "http://a/triggers"),
        ("http://a/", "http://a/triggers"),
        ("http://a/b", "http://a/b/triggers"),
        ("http://a/b/", "http://a/b/triggers"),
    ] {
        assert_eq!(
            Address::parse(text).unwrap().of(&["triggers"]).as_str(),
            url
        );
    }
}
