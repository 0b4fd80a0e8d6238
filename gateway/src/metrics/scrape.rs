//! What is counted, as OpenMetrics text.

use super::{Histogram, Metrics};
use crate::doors::Doors;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;

/// The media type of the text (<https://prometheus.io/docs/specs/om/open_metrics_spec/#overall-structure>).
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One look at all that is counted.
struct Scrape(Arc<Doors>);

/// The text.
pub(crate) fn text(doors: &Arc<Doors>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(doors.clone())));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut into: DescriptorEncoder<'_>) -> fmt::Result {
        let doors = &self.0;
        requests(&mut into, &doors.metrics)?;
        deliveries(&mut into, doors)?;
        operations(&mut into, &doors.metrics)?;
        let busy = doors.config.max_concurrent - doors.permits.available_permits();
        gauge(
            &mut into,
            "http_server_active_requests",
            "deliveries that are worked on now",
            None,
            busy as u64,
        )?;
        backends(&mut into, doors)?;
        spool(&mut into, doors)?;
        let mut build =
            into.encode_descriptor("belfry_build", "the build", None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}

fn requests(into: &mut DescriptorEncoder<'_>, metrics: &Metrics) -> fmt::Result {
    let help = "how long requests to hooks took";
    let mut family = into.encode_descriptor(
        "http_server_request_duration",
        help,
        Some(&Unit::Seconds),
        MetricType::Histogram,
    )?;
    for (code, histogram) in metrics.requests() {
        let labels = [
            ("http_route", "/hooks/{trigger}".to_owned()),
            ("http_response_status_code", code.to_string()),
        ];
        histogram.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn deliveries(into: &mut DescriptorEncoder<'_>, doors: &Doors) -> fmt::Result {
    let help = "what deliveries to each trigger came to";
    let mut family =
        into.encode_descriptor("belfry_gateway_deliveries", help, None, MetricType::Counter)?;
    doors.table.each(&mut |webhook| {
        for (what, count) in webhook.tally.counts() {
            let labels = [
                ("trigger", webhook.trigger.as_str()),
                ("outcome", what.as_str()),
            ];
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
        }
        Ok(())
    })
}

/// What the gateway waits for in others.
fn operations(into: &mut DescriptorEncoder<'_>, metrics: &Metrics) -> fmt::Result {
    let mut histogram = |name: &str, help: &str, label: (&str, &str), histogram: &Histogram| {
        let mut family =
            into.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        histogram.encode(family.encode_family(&[label])?)
    };
    histogram(
        "messaging_client_operation_duration",
        "how long the event log took",
        ("messaging_operation_name", "publish"),
        &metrics.store,
    )?;
    histogram(
        "db_client_operation_duration",
        "how long deduplication and rate limits took",
        ("db_operation_name", "check"),
        &metrics.check,
    )
}

fn backends(into: &mut DescriptorEncoder<'_>, doors: &Doors) -> fmt::Result {
    let help = "whether what the gateway relies on works (1) or failed the last time (0)";
    let mut family = into.encode_descriptor("belfry_gateway_up", help, None, MetricType::Gauge)?;
    for (name, outage) in [("event_log", &doors.bus), ("dedup", &doors.dedup)] {
        let up = u64::from(!outage.is_on());
        family.encode_family(&[("part", name)])?.encode_gauge(&up)?;
    }
    Ok(())
}

fn spool(into: &mut DescriptorEncoder<'_>, doors: &Doors) -> fmt::Result {
    let Some(spool) = &doors.spool else {
        return Ok(());
    };
    let standing = spool.status();
    gauge(
        into,
        "belfry_spool_events",
        "events that wait in the spool",
        None,
        standing.depth,
    )?;
    gauge(
        into,
        "belfry_spool_size",
        "how much of the disk the spool takes",
        Some(&Unit::Bytes),
        standing.bytes,
    )?;
    let age = standing.oldest.map_or(0.0, |oldest| {
        doors.ports.clock.now().duration_since(oldest).as_secs_f64()
    });
    gauge(
        into,
        "belfry_spool_age",
        "how long the oldest event in the spool waits",
        Some(&Unit::Seconds),
        age.max(0.0),
    )?;
    gauge(
        into,
        "belfry_spool_set_aside",
        "records of the spool that could not be drained",
        None,
        standing.set_aside,
    )
}

fn gauge(
    into: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    into.encode_descriptor(name, help, unit, MetricType::Gauge)?
        .encode_gauge(&value)
}
