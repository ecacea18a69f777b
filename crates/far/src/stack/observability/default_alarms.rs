//! The alarms and the dashboard that production has without being told.

use std::collections::BTreeMap;

use neargate_core::metrics::names;
use neargate_core::model::{Comparison, TreatMissingData};

use super::super::{EcsService, RdsInstance, ReplicationGroup, Stack};
use super::metric::{of, usage};
use super::{AlarmSource, CloudWatchAlarm, DashboardRow, Dimension, Metric, TargetGroupColour};

/// Percent of a reservation above which there is little room.
const BUSY: f64 = 80.0;
/// A tenth of a database's disk is left.
const LITTLE_SPACE: f64 = 0.1;
const GIB: f64 = 1_073_741_824.0;

pub(super) fn alarms(stack: &Stack) -> Vec<CloudWatchAlarm> {
    let services = stack.services.iter().flat_map(service);
    let databases = stack.databases.iter().flat_map(database);
    let caches = stack.caches.iter().flat_map(cache);
    let mut all: Vec<CloudWatchAlarm> = services.chain(databases).chain(caches).collect();
    if stack.front.balancer.is_some() {
        let failed = of("HTTPCode_ELB_5XX_Count", "Sum", balancer());
        all.push(usual(
            "balancer-errors",
            "5xx of the load balancer itself",
            failed,
            Comparison::Above(10.0),
        ));
        let slow = of("TargetResponseTime", "p95", balancer());
        all.push(usual(
            "latency",
            "Seconds to answer, the slowest 5 of 100",
            slow,
            Comparison::Above(1.0),
        ));
    }
    if stack.front.gateway.is_some() {
        all.push(usual(
            "gateway-errors",
            "5xx of the gateway",
            gateway("5xx", "Sum"),
            Comparison::Above(10.0),
        ));
        all.push(usual(
            "gateway-latency",
            "Milliseconds to answer, the slowest of 100",
            gateway("Latency", "p99"),
            Comparison::Above(2000.0),
        ));
    }
    all
}

fn usual(name: &str, description: &str, metric: Metric, breach: Comparison) -> CloudWatchAlarm {
    CloudWatchAlarm {
        name: name.to_owned(),
        description: description.to_owned(),
        watch: AlarmSource::Metric(metric),
        breach: Some(breach),
        period: 60,
        datapoints: (2, 2),
        missing: TreatMissingData::NotBreaching,
        notify: true,
    }
}

fn service(service: &EcsService) -> Vec<CloudWatchAlarm> {
    let name = &service.name;
    let mut all = Vec::new();
    for (metric, what) in [(names::CPU, "CPU"), (names::MEMORY, "Memory")] {
        let words = format!("{what} of {name}, percent of its reservation");
        let metric_of = usage(name, metric, "Average");
        all.push(usual(
            &format!("{name}-{metric}"),
            &words,
            metric_of,
            Comparison::Above(BUSY),
        ));
    }
    if !service.routes.is_empty() {
        let groups = |metric: &str, statistic: &str| -> BTreeMap<String, Metric> {
            let each = |colour: TargetGroupColour| {
                (
                    colour.name().to_owned(),
                    of(metric, statistic, group(name, colour)),
                )
            };
            TargetGroupColour::ALL.map(each).into_iter().collect()
        };
        let sum = "FILL(blue, 0) + FILL(green, 0)".to_owned();
        let mut failed = usual(
            &format!("{name}-errors"),
            &format!("Requests that {name} answered with 5xx"),
            usage(name, names::CPU, "Average"),
            Comparison::Above(10.0),
        );
        failed.watch =
            AlarmSource::Expression(sum.clone(), groups("HTTPCode_Target_5XX_Count", "Sum"));
        all.push(failed);
        let mut unhealthy = usual(
            &format!("{name}-unhealthy"),
            &format!("Tasks of {name} that fail their health check"),
            usage(name, names::CPU, "Average"),
            Comparison::Above(0.0),
        );
        unhealthy.watch = AlarmSource::Expression(sum, groups("UnHealthyHostCount", "Maximum"));
        unhealthy.datapoints = (5, 5);
        all.push(unhealthy);
    }
    all
}

fn database(database: &RdsInstance) -> Vec<CloudWatchAlarm> {
    let name = &database.name;
    let left = f64::from(database.storage.0) * GIB * LITTLE_SPACE;
    let mut cpu = usual(
        &format!("database-{name}-cpu"),
        &format!("CPU of database.{name}, percent"),
        rds(name, "CPUUtilization"),
        Comparison::Above(BUSY),
    );
    cpu.datapoints = (5, 5);
    let storage = usual(
        &format!("database-{name}-storage"),
        &format!("Bytes left on the disk of database.{name}"),
        rds(name, "FreeStorageSpace"),
        Comparison::Below(left.round()),
    );
    vec![cpu, storage]
}

fn cache(cache: &ReplicationGroup) -> Vec<CloudWatchAlarm> {
    let name = &cache.name;
    let memory = usual(
        &format!("cache-{name}-memory"),
        &format!("Memory of cache.{name} in use, percent"),
        elasticache(name, "DatabaseMemoryUsagePercentage"),
        Comparison::Above(BUSY),
    );
    vec![memory]
}

/// Rows of the environment's dashboard, from top to bottom.
pub(super) fn rows(stack: &Stack) -> Vec<DashboardRow> {
    let mut rows = Vec::new();
    let mut row = |title: String, metrics: Vec<Metric>| rows.push(DashboardRow { title, metrics });
    if stack.front.balancer.is_some() {
        row(
            "Requests".into(),
            vec![of("RequestCount", "Sum", balancer())],
        );
        let failed = [
            "HTTPCode_Target_5XX_Count",
            "HTTPCode_Target_4XX_Count",
            "HTTPCode_ELB_5XX_Count",
        ];
        row(
            "Failed requests".into(),
            failed.map(|name| of(name, "Sum", balancer())).to_vec(),
        );
        row(
            "Seconds to answer, p95".into(),
            vec![of("TargetResponseTime", "p95", balancer())],
        );
    }
    for service in &stack.services {
        let metrics = [names::CPU, names::MEMORY].map(|m| usage(&service.name, m, "Average"));
        row(
            format!("CPU and memory of {}, percent", service.name),
            metrics.to_vec(),
        );
    }
    for database in &stack.databases {
        let name = &database.name;
        row(
            format!("CPU of database.{name}, percent"),
            vec![rds(name, "CPUUtilization")],
        );
        row(
            format!("Connections of database.{name}"),
            vec![rds(name, "DatabaseConnections")],
        );
    }
    for cache in &stack.caches {
        let name = &cache.name;
        row(
            format!("Hits and misses of cache.{name}"),
            vec![
                elasticache(name, "CacheHits"),
                elasticache(name, "CacheMisses"),
            ],
        );
    }
    rows
}

fn balancer() -> BTreeMap<String, Dimension> {
    BTreeMap::from([("LoadBalancer".to_owned(), Dimension::Balancer)])
}

fn group(service: &str, colour: TargetGroupColour) -> BTreeMap<String, Dimension> {
    let mut dimensions = balancer();
    dimensions.insert(
        "TargetGroup".to_owned(),
        Dimension::Group(service.to_owned(), colour),
    );
    dimensions
}

fn gateway(name: &str, statistic: &str) -> Metric {
    Metric {
        namespace: "AWS/ApiGateway".to_owned(),
        name: name.to_owned(),
        statistic: statistic.to_owned(),
        dimensions: BTreeMap::from([("ApiId".to_owned(), Dimension::Gateway)]),
    }
}

fn rds(database: &str, name: &str) -> Metric {
    let instance = Dimension::Named(database.to_owned());
    Metric {
        namespace: "AWS/RDS".to_owned(),
        name: name.to_owned(),
        statistic: "Average".to_owned(),
        dimensions: BTreeMap::from([("DBInstanceIdentifier".to_owned(), instance)]),
    }
}

fn elasticache(cache: &str, name: &str) -> Metric {
    let node = Dimension::Node(cache.to_owned());
    Metric {
        namespace: "AWS/ElastiCache".to_owned(),
        name: name.to_owned(),
        statistic: "Average".to_owned(),
        dimensions: BTreeMap::from([("CacheClusterId".to_owned(), node)]),
    }
}
