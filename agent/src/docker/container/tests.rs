use super::*;
use crate::docker::Owner;
use belfry_mesh::package::Manifest;
use belfry_mesh::placement::Slot;
use belfry_mesh::target::Target;
use belfry_mesh::{NodeName, TriggerName};
use serde_json::{Value, json};
use std::sync::Arc;

fn spec(deployment: Value) -> Spec {
    let manifest = json!({
        "manifest": 2, "name": "bell", "version": "1.0.0", "type": "trigger",
        "requirements": {"secrets": ["TOKEN"]},
        "deployment": deployment,
        "trigger": {"type": "webhook", "auth": {"scheme": "none"}},
    });
    of(&manifest)
}

fn of(manifest: &Value) -> Spec {
    let environment = [
        ("TOKEN", "hunter2"),
        ("PORT", "9100"),
        ("EMPTY", ""),
        ("HIDDEN", "hunter3"),
    ];
    let slot = Slot {
        trigger: TriggerName::parse("bell").unwrap(),
        index: 0,
    };
    Spec {
        slot,
        revision: 7,
        manifest: Arc::new(Manifest::parse(manifest.to_string()).unwrap()),
        target: Some(Target::Workflow("w".parse().unwrap())),
        environment: environment
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        concealed: ["TOKEN".to_owned(), "HIDDEN".to_owned()].into(),
    }
}

fn config(policy: Policy) -> Config {
    let owner = Owner {
        mesh: "m".to_owned(),
        node: NodeName::parse("n").unwrap(),
    };
    Config {
        policy,
        ..Config::new(owner)
    }
}

fn made(deployment: Value) -> Container {
    container(&spec(deployment), "image", &config(Policy::default())).unwrap()
}

fn refused(deployment: Value) -> String {
    container(&spec(deployment), "image", &config(Policy::default())).unwrap_err()
}

fn allowed(deployment: Value, policy: Policy) -> HostConfig {
    let made = container(&spec(deployment), "image", &config(policy)).unwrap();
    made.body.host_config.unwrap()
}

#[test]
fn a_container_has_a_name_labels_and_its_environment() {
    let made = made(json!({}));
    assert_eq!(made.name, "belfry-bell-0-7");
    let labels = made.body.labels.unwrap();
    for (label, value) in [
        ("belfry.mesh", "m"),
        ("belfry.node", "n"),
        ("belfry.trigger", "bell"),
        ("belfry.slot", "0"),
        ("belfry.revision", "7"),
    ] {
        assert_eq!(labels[label], value, "{label}");
    }
    let marks = Marks::read(&labels).unwrap();
    assert_eq!((marks.port, marks.path.as_str()), (8080, "/event"));
    let environment = made.body.env.unwrap();
    assert!(environment.contains(&"TOKEN=hunter2".to_owned()));
    assert!(
        environment
            .iter()
            .any(|variable| variable.starts_with("BELFRY_PACKAGE={\""))
    );
}

#[test]
fn a_container_can_do_nothing_that_nobody_asked_for() {
    let host = made(json!({})).body.host_config.unwrap();
    assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
    assert_eq!(host.cap_add, Some(Vec::new()));
    assert_eq!(host.readonly_rootfs, Some(true));
    assert_eq!(host.privileged, None);
    assert_eq!(
        host.security_opt,
        Some(vec!["no-new-privileges:true".to_owned()])
    );
    assert!(host.tmpfs.unwrap()["/tmp"].contains("noexec"));
    assert_eq!(host.network_mode.as_deref(), Some("belfry-m"));
    assert_eq!(
        (host.memory, host.memory_swap),
        (Some(256 << 20), Some(256 << 20))
    );
    assert_eq!(
        (host.nano_cpus, host.pids_limit),
        (Some(1_000_000_000), Some(128))
    );
    assert_eq!(host.port_bindings, Some(PortMap::new()));
}

#[test]
fn what_the_operator_has_not_allowed_is_refused_with_the_flag_that_allows_it() {
    for (deployment, words) in [
        (json!({"network_mode": "host"}), "--allow-networks host"),
        (json!({"network_mode": "none"}), "no event reaches it"),
        (
            json!({"network_mode": "container:nats"}),
            "another container",
        ),
        (
            json!({"network_mode": "backplane"}),
            "--allow-networks backplane",
        ),
        (
            json!({"networks": ["backplane"]}),
            "--allow-networks backplane",
        ),
        (
            json!({"cap_add": ["cap_net_admin"]}),
            "--allow-capabilities NET_ADMIN",
        ),
        (
            json!({"volumes": [{"host": "/etc", "container": "/e"}]}),
            "--allow-mounts /etc",
        ),
        (json!({"memory": "2g"}), "--max-memory-bytes"),
        (json!({"cpus": 64}), "--max-cpus"),
        (json!({"pids": 100_000}), "--max-pids"),
        (json!({"ports": [{"container": "web"}]}), "from 1 to 65535"),
    ] {
        let refusal = refused(deployment.clone());
        assert!(refusal.contains(words), "{deployment}: {refusal}");
    }
}

#[test]
fn an_older_package_that_asks_to_be_privileged_is_refused() {
    let older = json!({
        "name": "bell", "version": "1.0.0", "type": "trigger",
        "deployment": {"privileged": true},
        "trigger": {"type": "webhook"},
    });
    let refusal = container(&of(&older), "image", &config(Policy::default())).unwrap_err();
    assert!(refusal.contains("privileged"), "{refusal}");
}

#[test]
fn what_the_operator_has_allowed_is_given() {
    let policy = Policy {
        networks: ["host".to_owned()].into(),
        capabilities: ["NET_ADMIN".to_owned()].into(),
        mounts: vec!["/srv".into()],
        ..Policy::default()
    };
    let deployment = json!({
        "network_mode": "host", "cap_add": ["NET_ADMIN"], "memory": "64m", "cpus": 0.5, "pids": 9,
        "volumes": [
            {"host": "/srv/bell", "container": "/bell", "read_only": true},
            {"host": "history", "container": "/history"},
        ],
    });
    let host = allowed(deployment, policy);
    assert_eq!(host.network_mode.as_deref(), Some("host"));
    assert_eq!(host.cap_add, Some(vec!["NET_ADMIN".to_owned()]));
    assert_eq!(host.memory, Some(64 << 20));
    let mounts = host.mounts.unwrap();
    assert_eq!(
        (mounts[0].source.as_deref(), mounts[0].read_only),
        (Some("/srv/bell"), Some(true))
    );
    // No other trigger has a volume of that name, nor another mesh.
    assert_eq!(mounts[1].source.as_deref(), Some("belfry.m.bell.history"));
    let options = mounts[1].volume_options.clone().unwrap();
    let labels = options.labels.unwrap();
    assert_eq!(
        (&*labels["belfry.mesh"], &*labels["belfry.trigger"]),
        ("m", "bell")
    );
}

#[test]
fn a_package_joins_the_networks_that_it_may_join_once() {
    let policy = Policy {
        networks: ["a".to_owned(), "b".to_owned()].into(),
        ..Policy::default()
    };
    let spec = spec(json!({"network_mode": "a", "networks": ["b", "a", "b"]}));
    let made = container(&spec, "image", &config(policy)).unwrap();
    assert_eq!(made.networks, ["b"]);
    assert_eq!(
        made.body.host_config.unwrap().network_mode.as_deref(),
        Some("a")
    );
}

#[test]
fn ports_are_published_on_the_operator_s_address_but_not_the_one_that_takes_events() {
    let ports = json!([
        {"host": "8080", "container": "8080"},
        {"host": "${PORT:-9000}", "container": 9000},
        {"container": 9001},
    ]);
    let bindings = made(json!({"ports": ports}))
        .body
        .host_config
        .unwrap()
        .port_bindings
        .unwrap();
    assert!(!bindings.contains_key("8080/tcp"));
    let binding = |port: &str| bindings[port].as_ref().unwrap()[0].clone();
    assert_eq!(binding("9000/tcp").host_port.as_deref(), Some("9100"));
    assert_eq!(binding("9000/tcp").host_ip.as_deref(), Some("127.0.0.1"));
    assert_eq!(binding("9001/tcp").host_port, None);
}

#[test]
fn a_secret_is_told_in_the_environment_and_nowhere_else() {
    let deployment = json!({"ports": [{"container": 9000, "host": "${TOKEN}"}]});
    let refusal = refused(deployment);
    assert!(
        refusal.contains("`TOKEN` is not set") && !refusal.contains("hunter2"),
        "{refusal}"
    );
}

#[test]
fn what_comes_of_the_node_s_secrets_is_put_in_only_where_the_operator_allows_it() {
    let deployment = || json!({"volumes": [{"host": "v-${HIDDEN:-x}", "container": "/v"}]});
    let refusal = refused(deployment());
    assert!(
        refusal.contains("--allow-variables HIDDEN") && !refusal.contains("hunter3"),
        "{refusal}"
    );
    let with = |name: &str| Config {
        variables: [(name.to_owned(), "of-the-node".to_owned())].into(),
        ..config(Policy::default())
    };
    let source = |deployment, config: &Config| {
        let made = container(&spec(deployment), "image", config).unwrap();
        made.body.host_config.unwrap().mounts.unwrap()[0]
            .source
            .clone()
            .unwrap()
    };
    assert_eq!(
        source(deployment(), &with("HIDDEN")),
        "belfry.m.bell.v-of-the-node"
    );
    // What the trigger was given for itself comes before the node's, and a secret by name is never put in.
    let volumes =
        json!({"volumes": [{"host": "v-${PORT}-${TOKEN:-none}-${ELSE:-1}", "container": "/v"}]});
    for (name, wanted) in [
        ("PORT", "belfry.m.bell.v-9100-none-1"),
        ("TOKEN", "belfry.m.bell.v-9100-none-1"),
        ("ELSE", "belfry.m.bell.v-9100-none-of-the-node"),
    ] {
        assert_eq!(source(volumes.clone(), &with(name)), wanted, "{name}");
    }
}

#[test]
fn a_container_is_on_the_mesh_s_own_network_unless_the_operator_names_another() {
    assert!(made(json!({})).is_on("belfry-m"));
    let config = Config {
        network: Some("theirs".to_owned()),
        ..config(Policy::default())
    };
    let made = container(&spec(json!({})), "image", &config).unwrap();
    assert!(made.is_on("theirs"));
    assert_eq!(
        made.body.host_config.unwrap().extra_hosts,
        Some(vec!["host.docker.internal:host-gateway".to_owned()])
    );
}

#[test]
fn a_package_that_no_process_could_be_told_is_refused() {
    let refusal = refused(json!({"environment": {"NOTE": "x".repeat(140_000)}}));
    assert!(refusal.contains("`BELFRY_PACKAGE` is longer"), "{refusal}");
}

#[test]
fn a_service_s_port_is_published() {
    let service = json!({
        "manifest": 2, "name": "bell", "version": "1.0.0", "type": "mcp", "description": "for a test",
        "deployment": {"image": "bell:1", "ports": [{"host": 8090, "container": 9000}]},
    });
    let spec = of(&service);
    assert_eq!(spec.manifest.deployment().port, 9000);
    let made = container(&spec, "image", &config(Policy::default())).unwrap();
    assert_eq!(made.body.exposed_ports, Some(vec!["9000/tcp".to_owned()]));
    let bindings = made.body.host_config.unwrap().port_bindings.unwrap();
    let binding = &bindings["9000/tcp"].as_ref().unwrap()[0];
    assert_eq!(binding.host_port.as_deref(), Some("8090"));
}

#[test]
fn nobody_is_root_nor_whoever_an_image_may_call_so() {
    for image in [
        "",
        "root",
        "0",
        "0:0",
        "00:1",
        "root:root",
        "toor",
        "app",
        "-0",
        "+0",
        "-0:1",
        "+5",
        "1000x",
        " 1000",
        "4294967296",
        "4294967295",
        "2147483648",
        ":1000",
        "app:1000",
    ] {
        assert_eq!(user(Some(image)), "65532:65532", "{image:?}");
    }
    assert_eq!(user(None), "65532:65532");
    for (image, wanted) in [
        ("1000", "1000:65532"),
        ("1000:0", "1000:65532"),
        ("1000:-0", "1000:65532"),
        ("1000:wheel", "1000:65532"),
        ("1000:1001", "1000:1001"),
        ("1000:1001:0", "1000:65532"),
        ("0001000:1", "1000:1"),
    ] {
        assert_eq!(user(Some(image)), wanted, "{image}");
    }
}
