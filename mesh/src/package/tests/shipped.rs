//! The packages that are shipped, and those of the older form that must go on to install.

use super::*;

#[test]
fn every_package_that_is_shipped_reads_and_is_written_as_it_was() {
    for directory in ["packages", "fixtures"] {
        let documents = documents(directory);
        assert!(documents.len() >= 4, "{directory}: {}", documents.len());
        for (path, text) in documents {
            let manifest = Manifest::parse(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
            let written = serde_json::to_string(&manifest).unwrap();
            let original: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                written,
                original.to_string(),
                "{path}: keys or their order changed"
            );
            assert_eq!(
                serde_json::from_str::<Manifest>(&written).unwrap(),
                manifest,
                "{path}"
            );
            assert!(
                path.contains(manifest.name().as_str())
                    && path.contains(&manifest.version().to_string()),
                "{path}"
            );
        }
    }
}

#[test]
fn the_standard_packages_are_what_they_are_called() {
    for (name, kind, extraction, secrets) in [
        ("simple-webhook", "webhook", Extraction::Simple, &[][..]),
        (
            "github-pr-webhook",
            "webhook",
            Extraction::GitHub,
            &["GITHUB_WEBHOOK_SECRET"],
        ),
        (
            "linear-webhook",
            "webhook",
            Extraction::Linear,
            &["LINEAR_CLIENT_SECRET", "LINEAR_WEBHOOK_SECRET"],
        ),
        ("daily-scan", "schedule", Extraction::Schedule, &[]),
    ] {
        let manifest = standard(name);
        assert_eq!(
            (manifest.source().kind(), manifest.extraction()),
            (kind, extraction),
            "{name}"
        );
        assert_eq!(manifest.secrets(), secrets, "{name}");
        assert!(
            manifest.params().is_none() && manifest.conditions().is_empty(),
            "{name}: must get the standard extraction"
        );
        let image = manifest.deployment().image.as_ref().unwrap();
        assert_eq!(
            resolved(image),
            concat!("belfry-trigger:", env!("CARGO_PKG_VERSION")),
            "{name}"
        );
        assert!(
            !manifest.description().is_empty() && !manifest.tags().is_empty(),
            "{name}"
        );
        assert_eq!(manifest.publisher(), Some("belfry"), "{name}");
    }
}

#[test]
fn the_package_for_any_provider_leaves_verification_to_its_installer() {
    let manifest = standard("/webhook-1.0.0");
    let webhook = manifest.source().webhook().unwrap();
    assert!(webhook.auth_at_install && webhook.auth.is_none());
    assert_eq!(manifest.secrets(), [""; 0]);
    let params = manifest.params().unwrap();
    let names: Vec<&str> = params.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["payload", "event_type", "delivery_id", "event_id"]);
}

#[test]
fn the_standard_filters_are_those_of_the_older_packages() {
    for (name, filter) in [
        ("github-pr-webhook", Filter::github()),
        ("linear-webhook", Filter::linear()),
    ] {
        let manifest = standard(name);
        let Source::Webhook(webhook) = manifest.source() else {
            panic!("{name} is no webhook")
        };
        assert_eq!(webhook.filters, filter, "{name}");
    }
    assert!(standard("linear-webhook").is_optional("LINEAR_CLIENT_SECRET"));
    assert!(!standard("linear-webhook").is_optional("LINEAR_WEBHOOK_SECRET"));
}

#[test]
fn the_daily_scan_runs_at_two_unless_its_environment_says_otherwise() {
    let manifest = standard("daily-scan");
    let Source::Schedule { cron, timezone } = manifest.source() else {
        panic!("no schedule")
    };
    assert_eq!(
        (resolved(cron).as_str(), resolved(timezone).as_str()),
        ("0 2 * * *", "UTC")
    );
    assert_eq!(
        cron.resolve(|_| Some("5 4 * * *".into())).unwrap(),
        "5 4 * * *"
    );
}

#[test]
fn an_older_github_package_keeps_what_it_says_and_ignores_what_nobody_knows() {
    let manifest = fixture("github-pr-webhook");
    assert_eq!(manifest.extraction(), Extraction::GitHub);
    assert_eq!(manifest.secrets(), ["GITHUB_WEBHOOK_SECRET"]);
    assert!(
        manifest.params().is_none(),
        "`action` of an older manifest is documentation"
    );
    assert_eq!(manifest.delivery(), Delivery::default());
    assert_eq!(manifest.requirements().min_memory, Some(128 << 20));
    assert_eq!(
        manifest.document()["requirements"]["platform_version"],
        ">=0.9"
    );
    let Source::Webhook(webhook) = manifest.source() else {
        panic!("no webhook")
    };
    assert_eq!(
        webhook.endpoints,
        [Endpoint {
            path: "/webhook".into(),
            method: "POST".into()
        }]
    );
    let rate = Rate {
        requests: 100,
        window: Duration::from_secs(60),
        burst: 100,
    };
    assert!(webhook.deduplication && webhook.rate_limit == Some(rate));
    let draft =
        json!({"action": "opened", "pull_request": {"draft": true, "base": {"ref": "main"}}});
    assert!(webhook.filters.admit(Some("pull_request"), &draft).is_err());
    assert_eq!(condition::evaluate(manifest.conditions(), &draft), Ok(()));
    assert!(
        manifest
            .response()
            .unwrap()
            .body
            .as_ref()
            .unwrap()
            .needs_execution()
    );
    let deployment = manifest.deployment();
    assert_eq!(
        (deployment.path.as_str(), deployment.port),
        ("/webhook", 8000)
    );
    assert_eq!(resolved(deployment.ports[0].host.as_ref().unwrap()), "8100");
    assert_eq!(
        resolved(&manifest.environment()["FILTER_ACTIONS"]),
        "opened,synchronize"
    );
    assert_eq!(manifest.environment()["WORKERS"].as_str(), "2");
}

#[test]
fn an_older_linear_package_gets_the_filter_that_its_program_had() {
    let manifest = fixture("linear-webhook");
    assert_eq!(manifest.extraction(), Extraction::Linear);
    let Source::Webhook(webhook) = manifest.source() else {
        panic!("no webhook")
    };
    assert_eq!(webhook.filters, Filter::linear());
    assert_eq!(webhook.endpoints[1].method, "GET");
}

#[test]
fn older_packages_with_other_ways_of_showing_a_secret_are_read() {
    for (name, scheme, secret) in [
        ("deploy-hook", "bearer", "DEPLOY_HOOK_TOKEN"),
        ("ticket-intake", "token", "TICKET_TOKEN"),
    ] {
        let manifest = fixture(name);
        let auth = manifest.source().auth().unwrap();
        assert_eq!(
            (auth.scheme().name(), auth.secrets()[0].name()),
            (scheme, secret),
            "{name}"
        );
        assert_eq!(manifest.extraction(), Extraction::Simple, "{name}");
    }
    let Source::Webhook(open) = fixture("ticket-intake").source().clone() else {
        panic!("no webhook")
    };
    assert_eq!(open.rate_limit, None, "it is switched off");
    assert!(fixture("simple-webhook").source().auth().is_none());
    let environment = fixture("simple-webhook").environment().clone();
    assert_eq!(
        resolved(&environment["TASK_TEMPLATE"]),
        crate::template::DEFAULT_TASK
    );
}

#[test]
fn a_deployment_of_the_older_form_is_read_whole() {
    let manifest = fixture("deploy-hook");
    let deployment = manifest.deployment();
    assert_eq!(
        resolved(deployment.image.as_ref().unwrap()),
        "registry.example.com/deploy-hook:1.2.0"
    );
    assert_eq!(deployment.restart, Restart::OnFailure);
    assert_eq!(
        (deployment.path.as_str(), deployment.port),
        ("/deploy", 9000)
    );
    assert_eq!(deployment.ports[1].container.as_str(), "9100");
    assert_eq!(
        deployment.volumes[0].host.variables().collect::<Vec<_>>(),
        ["DEPLOY_STATE"]
    );
    assert_eq!(deployment.networks, ["orchestrator-network", "ci"]);
    assert_eq!(deployment.environment["DRY_RUN"].as_str(), "false");

    let manifest = fixture("network-probe");
    let deployment = manifest.deployment();
    assert_eq!(deployment.build.as_ref().unwrap().dockerfile, "Dockerfile");
    assert_eq!(
        (deployment.network_mode.as_deref(), deployment.restart),
        (Some("host"), Restart::No)
    );
    assert_eq!(deployment.cap_add, ["NET_ADMIN", "NET_RAW"]);
    let Source::Schedule { cron, timezone } = manifest.source() else {
        panic!("no schedule")
    };
    assert_eq!(
        (cron.as_str(), timezone.as_str()),
        ("*/15 * * * *", "Europe/Zurich")
    );
}
